/** The size of the largest answer, or message of a watch, that is taken: etcd's own are smaller. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * How many messages and elements of lists one answer may have: of the smallest, some millions would fit into those bytes,
 * and take gigabytes when they are read. A watch that is told of more changes at once begins anew, with a list.
 */
export const MAX_ELEMENTS = 200_000;
