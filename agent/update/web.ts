// The way of each piece of a release from the repositories: files and objects as they are, frames of packs as packs.ts gets them.
import { objectPath } from "../../ota/format/names.ts";
import { mostBytes } from "../swarm/question.ts";
import type { Web } from "../swarm/store.ts";
import type { Repositories } from "./fetch.ts";
import type { Packs } from "./packs.ts";

export const makeWeb =
  ({ repositories, packs }: { repositories: Repositories; packs: Packs }): Web =>
  (wanted, how, accept) => {
    if (wanted.kind === "packed") return packs.frame(wanted, how, accept);
    const isObject = wanted.kind === "object";
    const path = isObject ? objectPath(wanted.sha256) : wanted.path;
    return repositories.fetch(path, { ...how, maxBytes: mostBytes(wanted), isNamedByDigest: isObject, accept });
  };
