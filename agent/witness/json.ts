// JSON in bytes from another member.
import { parseJson } from "../../system/files.ts";

export const jsonIn = (bytes: Uint8Array): unknown => parseJson(Buffer.from(bytes).toString("utf8"));
