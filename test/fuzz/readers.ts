// Every reader of untrusted input, for `npm test` (fuzz.test.ts) and `npm run test:long -- --cases fuzz`.
import { brokerReaders } from "./broker-readers.ts";
import { clusterReaders } from "./cluster-readers.ts";
import { fileReaders } from "./file-readers.ts";
import { imageReaders } from "./image-readers.ts";
import { leaseReaders } from "./lease-readers.ts";
import type { Reader } from "./reader.ts";
import { trustReaders } from "./trust-readers.ts";

export const readers: Reader[] = [
  ...imageReaders,
  ...fileReaders,
  ...clusterReaders,
  ...leaseReaders,
  ...brokerReaders,
  ...trustReaders,
];
