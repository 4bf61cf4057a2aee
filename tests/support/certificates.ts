/** A folder with certificates, made by openssl for one test. */
export class Certificates implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes an authority `ca`, and what `names` asks for, signed by it. */
  static async make(): Promise<Certificates> {
    const made = new Certificates(await Deno.makeTempDir());
    await made.authority("ca");
    return made;
  }

  /** Makes an authority that trusts itself. */
  async authority(name: string): Promise<void> {
    await this.#openssl(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -out ${name}.pem ` +
        `-subj /CN=${name} -days 2`,
    );
  }

  /** Makes a certificate for a DNS name. A number of days below 0 makes one that has expired. */
  async sign(name: string, dns: string, { ca = "ca", days = 2 } = {}): Promise<void> {
    await Deno.writeTextFile(this.path(`${name}.ext`), `subjectAltName=DNS:${dns}`);
    await this.#openssl(
      `req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`,
    );
    await this.#openssl(
      `x509 -req -in ${name}.csr -CA ${ca}.pem -CAkey ${ca}.key -CAcreateserial -out ${name}.pem -days ${days} ` +
        `-extfile ${name}.ext`,
    );
  }

  path(file: string): string {
    return `${this.#folder}/${file}`;
  }

  read(file: string): string {
    return Deno.readTextFileSync(this.path(file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #openssl(line: string): Promise<void> {
    const command = new Deno.Command("openssl", { args: line.split(" "), cwd: this.#folder, stdin: "null" });
    const { success, stderr } = await command.output();
    if (!success) throw new Error(`openssl ${line}: ${new TextDecoder().decode(stderr)}`);
  }
}
