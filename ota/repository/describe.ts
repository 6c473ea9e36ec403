// What new metadata changes, in words: for a person who decides whether to sign it.
// Pure.
import { type Key, Root, type TargetFile, Targets } from "@tufjs/models";
import { printable } from "../../system/printable.ts";
import { keyIdOf } from "./metadata.ts";

type Signed = Root | Targets | { toJSON(): object };
/** `keys` in words: whole, because a thief may make a key that begins as another does. */
type Authority = { keys: string[]; threshold: number; paths: string };

/** Empty if only the version and the date differ. */
export function describeChanges(before: Signed | undefined, after: Signed): string[] {
  if (before && content(before) === content(after)) return [];
  const changes = [...describeAuthorities(before, after), ...describeTargets(before, after)];
  const isAllSaid = changes.length > 0 && (!before || rest(before) === rest(after));
  return isAllSaid
    ? changes.map(printable)
    : [...changes.map(printable), "has content that no command of Hamlet makes"];
}

const content = (signed: Signed): string => JSON.stringify({ ...signed.toJSON(), version: 0, expires: "" });
const told = { version: 0, expires: "", keys: 0, roles: 0, targets: 0 };
const rest = (signed: Signed): string => {
  const json: { delegations?: object } = signed.toJSON();
  const { delegations } = json;
  return JSON.stringify({
    ...json,
    ...told,
    ...(delegations && { delegations: { ...delegations, keys: 0, roles: 0 } }),
  });
};

function describeAuthorities(before: Signed | undefined, after: Signed): string[] {
  const [old, next] = [authoritiesIn(before), authoritiesIn(after)];
  return [...new Set([...old.keys(), ...next.keys()])].flatMap((role) => {
    const [was, is] = [old.get(role) ?? nobody, next.get(role) ?? nobody];
    const gone = was.keys.filter((key) => !is.keys.includes(key));
    const come = is.keys.filter((key) => !was.keys.includes(key));
    return [
      ...(was.threshold === is.threshold || was === nobody || is === nobody
        ? []
        : [
            `${role}: ${is.threshold} of its keys ${is.threshold === 1 ? "signs" : "sign"} instead of ${was.threshold}`,
          ]),
      ...(was.paths === is.paths || is === nobody ? [] : [`${role}: signs for ${is.paths}${insteadOf(was.paths)}`]),
      ...gone.map((key) => `${role}: no longer the key ${key}`),
      ...come.map((key) => `${role}: from now on the key ${key}`),
    ];
  });
}

const insteadOf = (paths: string): string => (paths === "" ? "" : ` instead of ${paths}`);
const nobody: Authority = { keys: [], threshold: 0, paths: "" };

function authoritiesIn(signed: Signed | undefined): Map<string, Authority> {
  const found = signed instanceof Root ? signed : signed instanceof Targets ? signed.delegations : undefined;
  const roles = Object.entries(found?.roles ?? {});
  return new Map(
    roles.map(([role, one]) => {
      const { keyIDs, threshold } = one;
      const paths = signed instanceof Targets ? pathsOf(one as DelegatedRole) : "";
      return [role, { keys: keyIDs.map((id) => nameOf(found!.keys[id], id)), threshold, paths }];
    }),
  );
}

type DelegatedRole = NonNullable<NonNullable<Targets["delegations"]>["roles"]>[string];
const pathsOf = ({ paths, pathHashPrefixes, terminating }: DelegatedRole): string =>
  [
    ...(paths ?? []),
    ...(pathHashPrefixes ? ["paths by their hash"] : []),
    ...(terminating ? [] : ["what others sign too"]),
  ].join(", ");

/** An id is only what the metadata calls a key: the same key under another one is told, too. */
const nameOf = (key: Key | undefined, id: string): string => {
  const publicKey = key?.keyVal["public"] ?? "";
  const isItsOwn = keyIdOf(Buffer.from(publicKey, "hex").toString("base64url")) === id;
  return isItsOwn ? publicKey : `${publicKey || "that is missing"}, which it calls ${id}`;
};

function describeTargets(before: Signed | undefined, after: Signed): string[] {
  const targetsOf = (one: Signed | undefined): Record<string, TargetFile> =>
    one instanceof Targets ? one.targets : {};
  const [old, next] = [targetsOf(before), targetsOf(after)];
  const added = Object.values(next).flatMap((target) => {
    const was = old[target.path];
    if (was?.equals(target)) return [];
    const name = releaseIn(target.path);
    const same = Object.values(next).find((one) => one !== target && sha256Of(one) === sha256Of(target));
    if (name === "newest" && same) return [`makes ${releaseIn(same.path)} the newest`];
    const manifest = `whose manifest has the sha256 ${sha256Of(target)}`;
    return [`${was ? "changes" : "adds"} ${name}, ${manifest}`];
  });
  const removed = Object.keys(old).filter((path) => next[path] === undefined);
  return [...added, ...removed.map((path) => `removes ${releaseIn(path)}`)];
}

const releaseIn = (path: string): string => /^[a-z0-9-]+\/(.+)\.json$/.exec(path)?.[1] ?? path;
const sha256Of = ({ hashes }: TargetFile): string => hashes["sha256"] ?? "";
