import { Agent, request } from "node:https";
import { Readable } from "node:stream";
import type { TlsOptions } from "../options.ts";

/** A request with a body. */
export interface HttpRequest {
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** The limits of idle connections. */
export interface PoolOptions {
  readonly idleMs: number;
  readonly maxIdle: number;
}

/**
 * Requests to a server whose certificate must be signed by `ca`. By node:https, since Deno's `fetch` takes the
 * certificates of the runtime's own authorities too, whatever `caCerts` says.
 */
export class PinnedHttp {
  readonly #agent: Agent;

  constructor({ ca, cert, key }: TlsOptions, { idleMs, maxIdle }: PoolOptions) {
    this.#agent = new Agent({ ca, cert, key, keepAlive: true, maxFreeSockets: maxIdle, timeout: idleMs });
  }

  post(url: string, { headers, body, signal }: HttpRequest): Promise<Response> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { method: "POST", headers, signal, agent: this.#agent }, (answer) => {
        resolve(new Response(Readable.toWeb(answer) as ReadableStream<Uint8Array>, { status: answer.statusCode }));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
