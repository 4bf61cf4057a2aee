import type { RangeRequest, RangesAnswer, TxnAnswer, TxnRequest } from "./client.ts";

/** The transaction that reads several ranges at one revision. */
export function rangesTxn(requests: readonly RangeRequest[]): TxnRequest {
  return { compare: [], success: requests.map((request) => ({ request_range: request })) };
}

/** What it has read. */
export function rangesAnswer({ header, responses }: TxnAnswer): RangesAnswer {
  return {
    revision: BigInt(header.revision),
    ranges: responses.map(({ response_range: range }) => range!),
  };
}
