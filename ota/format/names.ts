// The names of a repository's files, below its URL: static files for any web server.
//
//   metadata/<n>.root.json, timestamp.json, <n>.<role>.json     TUF; `targets`, `snapshot`, and a role for each board
//   targets/<board>/<sha256>.<version>.json                     manifests, and <sha256>.newest.json, the newest once more
//   objects/<first two digits>/<sha256>                         chunks and recipes by the digest of their content, each a zstd frame
//   packs/<sha256>                                              zstd frames of a recipe, one behind the other
// Pure.

export const metadataFolder = "metadata";
export const targetsFolder = "targets";
/** TUF's name of a release's manifest. */
export const manifestName = (board: string, version: string): string => `${board}/${version}.json`;
/** TUF's name of the manifest of the board's newest release. */
export const newestName = (board: string): string => `${board}/newest.json`;
export const objectPath = (sha256: string): string => `objects/${sha256.slice(0, 2)}/${sha256}`;
export const packPath = (sha256: string): string => `packs/${sha256}`;
