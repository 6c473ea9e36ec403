// Tasks one at a time, in the order in which they come. One that fails does so for its own caller; the next runs.

export type Queue = <T>(task: () => T | Promise<T>) => Promise<T>;

export function makeQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task);
    last = turn.catch(() => {});
    return turn;
  };
}
