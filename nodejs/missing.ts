/** What Node.js 20 lacks, for this program's own process. */
Promise.withResolvers ??= function withResolvers<T>() {
  let [resolve, reject]: [PromiseWithResolvers<T>["resolve"], PromiseWithResolvers<T>["reject"]] = [() => {}, () => {}];
  const promise = new Promise<T>((...both) => [resolve, reject] = both);
  return { promise, resolve, reject };
};

URL.parse ??= (url: string | URL, base?: string | URL) => URL.canParse(url, base) ? new URL(url, base) : null;

Map.groupBy ??= function groupBy<K, T>(items: Iterable<T>, keyOf: (item: T, index: number) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  let index = 0;
  for (const item of items) {
    const key = keyOf(item, index++);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
};

export {};
