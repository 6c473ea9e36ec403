// A frame of a pack, as the publisher makes it.
import { zstdCompressSync } from "node:zlib";
import { encodePatch } from "../../ota/format/patch.ts";
import { makeAligner } from "../../ota/repository/align.ts";

export const patchFrame = (dictionary: Uint8Array, content: Uint8Array): Buffer =>
  zstdCompressSync(encodePatch(dictionary, content, makeAligner()(dictionary, content)));
