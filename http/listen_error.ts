/** The server cannot listen where it should; the message is one line for the user. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
