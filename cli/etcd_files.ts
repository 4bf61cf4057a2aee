import type { EtcdSource } from "../supervise/etcd_source.ts";
import { type EtcdOptions, isPem } from "../election/internal.ts";

/** The options of a connection that reads its files again whenever it connects. */
export function etcdOptions({ endpoints, transport, tls, user }: EtcdSource): EtcdOptions {
  return {
    endpoints,
    transport,
    tls: tls && (async () => {
      const [ca, cert, key] = await Promise.all([tls.ca, tls.cert, tls.key].map(pem));
      return { ca, cert, key, serverName: tls.serverName };
    }),
    user: user && ("password" in user ? user : async () => ({
      name: user.name,
      password: await content(user.passwordFile, "a password", parsePassword),
    })),
  };
}

/** The text if it is a whole PEM file. */
export function parsePem(text: string): string | undefined {
  return isPem(text) ? text : undefined;
}

/** The password in a file; undefined if there is none. */
export function parsePassword(text: string): string | undefined {
  return text.trimEnd() || undefined;
}

async function pem(pathOrText: string | undefined): Promise<string | undefined> {
  if (pathOrText === undefined || isPem(pathOrText)) return pathOrText;
  return await content(pathOrText, "a complete PEM file", parsePem);
}

async function content(path: string, wanted: string, parse: (text: string) => string | undefined): Promise<string> {
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Error(`${path} cannot be read (${error instanceof Error ? error.name : error})`);
  });
  const value = parse(text);
  if (value === undefined) throw new Error(`${path} is not ${wanted}`);
  return value;
}
