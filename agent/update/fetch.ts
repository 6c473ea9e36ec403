// Fetches files of a release from the first repository that has them. A broken connection is continued; a repository that fails is left
// alone for a while, as long as another one answers.
import { type Clock, sleep } from "../../system/clock.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { free } from "../../system/free.ts";
import type { Pacer } from "../../system/pacer.ts";
import { backoffMs } from "../../system/retry.ts";
import { nothingHeld } from "./held.ts";
import { urlBelow } from "./repositories.ts";
import { type TransferOptions, transfer } from "./transfer.ts";

export type Repositories = {
  /** Throws `update.noRepository`, `update.notThere`, `update.noRanges`, `update.badObject`, `update.unreachable`, or the signal's reason. */
  fetch<T>(path: string, options: FetchOptions<T>): Promise<T>;
  /** The updater refuses metadata: who sent any since the last such call is asked after the others for an hour. */
  doubt(): void;
};
export type FetchOptions<T> = Omit<TransferOptions, "stallMs" | "pace"> & {
  /** Throws `update.badObject` for bytes that cannot be right; another repository may have better ones. With `into` they are empty. */
  accept(bytes: Buffer): T | Promise<T>;
  /** Another member asks for it, and may ask for what there never was. */
  isForAnother?: boolean;
};
export type RepositoriesOptions = {
  urls: readonly string[];
  clock: Clock;
  random(): number;
  stallMs?: number;
  pace?: Pacer | undefined;
  /** Between two attempts that brought nothing. */
  pauseMs?: number;
};

/** A repository that failed is tried again after this time; the pause doubles up to an hour. */
const rest = { firstMs: 5_000, longestMs: 3600_000 };
/** Attempts that bring nothing new, before the next repository is asked. */
const maxFruitless = 3;
/** A server that sends a byte now and then is as good as none. */
const slowest = { bytesPerS: 2_000, extraMs: 60_000 };

/** A server without ranges would begin to send a whole file at each request; somebody may replace it one day. */
const withoutRangesMs = 3600_000;

/** A mirror that nobody feeds any more answers as well as ever, and only its metadata gets old. */
const doubtedMs = 3600_000;

/** `hasVouched`: it has sent what only a signature proves, since the last doubt. */
type Known = {
  url: string;
  failures: number;
  restsUntil: number;
  hasNoRangesUntil: number;
  hasVouched: boolean;
  doubtedUntil: number;
};

export function openRepositories(options: RepositoriesOptions): Repositories {
  const { clock, random, pace, stallMs = 15_000, pauseMs = 500 } = options;
  const never = Number.NEGATIVE_INFINITY;
  const known = options.urls.map(
    (url): Known => ({
      ...{ url, failures: 0, restsUntil: never, hasNoRangesUntil: never },
      ...{ hasVouched: false, doubtedUntil: never },
    }),
  );

  /** The order in which people listed them; those that rest or are in doubt come last. */
  const inTurn = (): Known[] => {
    const now = clock.monotonic();
    const isLast = ({ restsUntil, doubtedUntil }: Known) => Math.max(restsUntil, doubtedUntil) > now;
    return [...known.filter((one) => !isLast(one)), ...known.filter(isLast)];
  };
  const failed = (one: Known) => {
    one.restsUntil = clock.monotonic() + backoffMs(rest, one.failures, random());
    one.failures += 1;
  };

  /** From one repository, in as many exchanges as bring something. */
  const fetchFrom = async <T>(url: URL, wanted: FetchOptions<T>, signal: AbortSignal): Promise<T> => {
    let held = nothingHeld();
    for (let [fruitless, most] = [0, 0]; ; ) {
      const tried = held;
      try {
        await transfer(url, held, { ...wanted, signal, stallMs, pace });
        const bytes = Buffer.concat(held.pieces);
        held.pieces.forEach(free);
        held = { ...nothingHeld(), hasNoRanges: true };
        return await wanted.accept(bytes);
      } catch (error) {
        wanted.signal.throwIfAborted();
        // Pieces that do not fit together may be of two versions of the file: begin anew, once.
        const isMixed = tried.isResumed && isCode(error, "update.badObject");
        if (isMixed) held = { ...nothingHeld(), hasNoRanges: true };
        else if (isFinal(error) || signal.aborted) throw error;
        fruitless = held.sizeBytes > most ? 0 : fruitless + 1;
        most = Math.max(most, held.sizeBytes);
        if (fruitless >= maxFruitless) throw error;
        await sleep(backoffMs({ firstMs: pauseMs, longestMs: 10 * pauseMs }, fruitless, random()), signal);
      }
    }
  };

  return {
    async fetch(path, wanted) {
      if (known.length === 0) throw noRepository();
      const errors: unknown[] = [];
      for (const one of inTurn()) {
        try {
          if (wanted.range && one.hasNoRangesUntil > clock.monotonic()) throw noRanges(one.url);
          const result = await inTime(wanted, (signal) => fetchFrom(urlBelow(one.url, path), wanted, signal));
          Object.assign(one, { failures: 0, restsUntil: never });
          if (!wanted.isNamedByDigest) one.hasVouched = true;
          return result;
        } catch (error) {
          wanted.signal.throwIfAborted();
          errors.push(error);
          if (isCode(error, "update.noRanges")) one.hasNoRangesUntil = clock.monotonic() + withoutRangesMs;
          else if (!isAnswer(error, wanted)) failed(one);
        }
      }
      throw worst(errors);
    },
    doubt() {
      for (const one of known.filter(({ hasVouched }) => hasVouched))
        Object.assign(one, { hasVouched: false, doubtedUntil: clock.monotonic() + doubtedMs });
    },
  };
}

/** Without AbortSignal.timeout, whose timers would outlive thousands of short exchanges. */
async function inTime<T>(
  { signal, maxBytes }: Pick<TransferOptions, "signal" | "maxBytes">,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const limitMs = slowest.extraMs + (1000 * maxBytes) / slowest.bytesPerS;
  const timer = setTimeout(() => late.abort(new Error(`not within ${Math.round(limitMs / 1000)} s`)), limitMs);
  try {
    return await task(AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

const isCode = (error: unknown, code: HamletError["code"]): boolean =>
  error instanceof HamletError && error.code === code;
/** A repository that lacks a file has answered, and one whose file has another size than a member says has not failed. */
const isAnswer = (error: unknown, { isForAnother = false }: { isForAnother?: boolean }): boolean =>
  isCode(error, "update.notThere") || (isForAnother && isCode(error, "update.badObject"));
/** Asking the same repository again would bring the same. */
const isFinal = (error: unknown): boolean =>
  isCode(error, "update.notThere") || isCode(error, "update.badObject") || isCode(error, "update.noRanges");

/** One repository that answers that there is no such file is enough: the others may be gone for good. */
function worst(errors: unknown[]): unknown {
  // From a repository without ranges the file may still be had whole.
  const known =
    errors.find((error) => isCode(error, "update.noRanges")) ??
    errors.find((error) => isCode(error, "update.notThere")) ??
    errors.find(isFinal);
  if (known !== undefined) return known;
  return new HamletError("update.unreachable", `no repository answers: ${errors.map(reasonOf).join("; ")}`, {
    hint: "check this device's network and the addresses of its repositories",
    cause: errors[0],
  });
}

const reasonOf = (error: unknown): string => (error instanceof HamletError ? error.message : describeError(error));

const noRanges = (url: string): HamletError => new HamletError("update.noRanges", `${url} sends files whole only`);

const noRepository = (): HamletError =>
  new HamletError("update.noRepository", "this device knows no repository", {
    hint: "build its image with --repository, or set update.repositories in the agent's settings",
  });
