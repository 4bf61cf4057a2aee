/** The size of the largest answer, or message of a watch, that is taken: etcd's own are smaller. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
