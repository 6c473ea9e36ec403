// The way of each piece of a release from the repositories: files and objects as they are, frames of packs as packs.ts gets them.
import { objectPath } from "../../ota/format/names.ts";
import { isNextRoot, mostBytes } from "../swarm/question.ts";
import type { Web } from "../swarm/store.ts";
import type { Repositories } from "./fetch.ts";
import type { Packs } from "./packs.ts";

export const makeWeb =
  ({ repositories, packs }: { repositories: Repositories; packs: Packs }): Web =>
  (wanted, how, accept) => {
    const mayLack = how.isForAnother === true || isNextRoot(wanted);
    if (wanted.kind === "packed") return packs.frame(wanted, { ...how, mayLack }, accept);
    const isObject = wanted.kind === "object";
    const path = isObject ? objectPath(wanted.sha256) : wanted.path;
    const what = { maxBytes: mostBytes(wanted), isNamedByDigest: isObject, mayLack };
    return repositories.fetch(path, { ...how, ...what, accept });
  };
