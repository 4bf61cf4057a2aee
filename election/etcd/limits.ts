/** The size of the largest answer, or message of a watch, that is taken: etcd's own are smaller. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * How many messages and list elements one answer may have. Some millions of the smallest would fit into those bytes, and
 * take gigabytes once decoded. A watch that gets more changes at once is started again, from a list.
 */
export const MAX_ELEMENTS = 200_000;
