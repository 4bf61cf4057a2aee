/** A field: its number, its type, and whether it is a list. */
export type Field = readonly [id: number, type: Scalar | MessageName | EnumName, repeated?: "repeated"];

type Scalar = "int64" | "uint64" | "bool" | "bytes" | "string";

/** The name of a message. */
export type MessageName = keyof typeof MESSAGES;

/** The name of an enum. */
export type EnumName = keyof typeof ENUMS;

type Fields<Name extends string> = Readonly<Record<string, readonly [number, Scalar | Name | EnumName, "repeated"?]>>;

/** The values of enums, which are numbered from 0. */
export const ENUMS = {
  CompareResult: ["Equal", "Greater", "Less", "NotEqual"],
  CompareTarget: ["Version", "Create", "Mod", "Value", "Lease"],
  EventType: ["Put", "Delete"],
  FilterType: ["Noput", "Nodelete"],
  SortOrder: ["None", "Ascend", "Descend"],
  SortTarget: ["Key", "Version", "Create", "Mod", "Value"],
} as const;

/**
 * Those messages of etcd's protocol that are used here, as etcd3's `rpc.proto` has them. etcd3 itself reads and parses
 * that file at each start, which takes longer than the rest of it and cannot be bundled.
 */
export const MESSAGES = messages({
  ResponseHeader: {
    cluster_id: [1, "uint64"],
    member_id: [2, "uint64"],
    revision: [3, "int64"],
    raft_term: [4, "uint64"],
  },
  KeyValue: {
    key: [1, "bytes"],
    create_revision: [2, "int64"],
    mod_revision: [3, "int64"],
    version: [4, "int64"],
    value: [5, "bytes"],
    lease: [6, "int64"],
  },
  Event: { type: [1, "EventType"], kv: [2, "KeyValue"], prev_kv: [3, "KeyValue"] },
  RangeRequest: {
    key: [1, "bytes"],
    range_end: [2, "bytes"],
    limit: [3, "int64"],
    revision: [4, "int64"],
    sort_order: [5, "SortOrder"],
    sort_target: [6, "SortTarget"],
    serializable: [7, "bool"],
    keys_only: [8, "bool"],
    count_only: [9, "bool"],
    min_mod_revision: [10, "int64"],
    max_mod_revision: [11, "int64"],
    min_create_revision: [12, "int64"],
    max_create_revision: [13, "int64"],
  },
  RangeResponse: {
    header: [1, "ResponseHeader"],
    kvs: [2, "KeyValue", "repeated"],
    more: [3, "bool"],
    count: [4, "int64"],
  },
  PutRequest: {
    key: [1, "bytes"],
    value: [2, "bytes"],
    lease: [3, "int64"],
    prev_kv: [4, "bool"],
    ignore_value: [5, "bool"],
    ignore_lease: [6, "bool"],
  },
  PutResponse: { header: [1, "ResponseHeader"], prev_kv: [2, "KeyValue"] },
  DeleteRangeRequest: { key: [1, "bytes"], range_end: [2, "bytes"], prev_kv: [3, "bool"] },
  DeleteRangeResponse: {
    header: [1, "ResponseHeader"],
    deleted: [2, "int64"],
    prev_kvs: [3, "KeyValue", "repeated"],
  },
  RequestOp: {
    request_range: [1, "RangeRequest"],
    request_put: [2, "PutRequest"],
    request_delete_range: [3, "DeleteRangeRequest"],
    request_txn: [4, "TxnRequest"],
  },
  ResponseOp: {
    response_range: [1, "RangeResponse"],
    response_put: [2, "PutResponse"],
    response_delete_range: [3, "DeleteRangeResponse"],
    response_txn: [4, "TxnResponse"],
  },
  Compare: {
    result: [1, "CompareResult"],
    target: [2, "CompareTarget"],
    key: [3, "bytes"],
    version: [4, "int64"],
    create_revision: [5, "int64"],
    mod_revision: [6, "int64"],
    value: [7, "bytes"],
    lease: [8, "int64"],
    range_end: [64, "bytes"],
  },
  TxnRequest: {
    compare: [1, "Compare", "repeated"],
    success: [2, "RequestOp", "repeated"],
    failure: [3, "RequestOp", "repeated"],
  },
  TxnResponse: { header: [1, "ResponseHeader"], succeeded: [2, "bool"], responses: [3, "ResponseOp", "repeated"] },
  WatchRequest: {
    create_request: [1, "WatchCreateRequest"],
    cancel_request: [2, "WatchCancelRequest"],
    progress_request: [3, "WatchProgressRequest"],
  },
  WatchCreateRequest: {
    key: [1, "bytes"],
    range_end: [2, "bytes"],
    start_revision: [3, "int64"],
    progress_notify: [4, "bool"],
    filters: [5, "FilterType", "repeated"],
    prev_kv: [6, "bool"],
    watch_id: [7, "int64"],
    fragment: [8, "bool"],
  },
  WatchCancelRequest: { watch_id: [1, "int64"] },
  WatchProgressRequest: {},
  WatchResponse: {
    header: [1, "ResponseHeader"],
    watch_id: [2, "int64"],
    created: [3, "bool"],
    canceled: [4, "bool"],
    compact_revision: [5, "int64"],
    cancel_reason: [6, "string"],
    fragment: [7, "bool"],
    events: [11, "Event", "repeated"],
  },
  LeaseGrantRequest: { TTL: [1, "int64"], ID: [2, "int64"] },
  LeaseGrantResponse: { header: [1, "ResponseHeader"], ID: [2, "int64"], TTL: [3, "int64"], error: [4, "string"] },
  LeaseRevokeRequest: { ID: [1, "int64"] },
  LeaseRevokeResponse: { header: [1, "ResponseHeader"] },
  LeaseKeepAliveRequest: { ID: [1, "int64"] },
  LeaseKeepAliveResponse: { header: [1, "ResponseHeader"], ID: [2, "int64"], TTL: [3, "int64"] },
  StatusRequest: {},
  StatusResponse: {
    header: [1, "ResponseHeader"],
    version: [2, "string"],
    dbSize: [3, "int64"],
    leader: [4, "uint64"],
    raftIndex: [5, "uint64"],
    raftTerm: [6, "uint64"],
    raftAppliedIndex: [7, "uint64"],
    errors: [8, "string", "repeated"],
    dbSizeInUse: [9, "int64"],
    isLearner: [10, "bool"],
  },
  AuthenticateRequest: { name: [1, "string"], password: [2, "string"] },
  AuthenticateResponse: { header: [1, "ResponseHeader"], token: [2, "string"] },
});

/** The methods used here, by the names that etcd3 calls them: path, request, response, and whether both are streams. */
export const METHODS: Readonly<
  Record<string, readonly [path: string, request: MessageName, response: MessageName, streams?: "streams"]>
> = {
  range: ["KV/Range", "RangeRequest", "RangeResponse"],
  txn: ["KV/Txn", "TxnRequest", "TxnResponse"],
  watch: ["Watch/Watch", "WatchRequest", "WatchResponse", "streams"],
  leaseGrant: ["Lease/LeaseGrant", "LeaseGrantRequest", "LeaseGrantResponse"],
  leaseRevoke: ["Lease/LeaseRevoke", "LeaseRevokeRequest", "LeaseRevokeResponse"],
  leaseKeepAlive: ["Lease/LeaseKeepAlive", "LeaseKeepAliveRequest", "LeaseKeepAliveResponse", "streams"],
  status: ["Maintenance/Status", "StatusRequest", "StatusResponse"],
  authenticate: ["Auth/Authenticate", "AuthenticateRequest", "AuthenticateResponse"],
};

/** Checks that each type is one that is there. */
function messages<Name extends string>(given: Readonly<Record<Name, Fields<NoInfer<Name>>>>): typeof given {
  return given;
}
