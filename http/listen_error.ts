/** The HTTP port cannot be opened. The message is one line for the user. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
