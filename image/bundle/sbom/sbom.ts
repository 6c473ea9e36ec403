// The bill of materials of an image in CycloneDX 1.6 (ECMA-424). Pure and deterministic: every date and number follows from
// the build's inputs. It is part of the root filesystem, so every image carries its own.
import { z } from "zod";
import { guidOf } from "../../disk/gpt.ts";
import { type Difference, describeDifference, type Lock, type LockedPackage } from "../lock/lock.ts";
import type { Licences } from "./copyrights.ts";
import { spdxId } from "./licences.ts";
import type { NpmPackage } from "./npm.ts";

export const sbomPath = "usr/share/hamlet/sbom.cdx.json";

/** The part of the format that we write and read. */
const Licence = z.object({ license: z.object({ id: z.string().optional(), name: z.string().optional() }) });
const Expression = z.object({ expression: z.string() });
export const Component = z.object({
  type: z.string(),
  "bom-ref": z.string().optional(),
  name: z.string(),
  version: z.string().default(""),
  licenses: z.array(z.union([Licence, Expression])).optional(),
  purl: z.string().optional(),
  hashes: z.array(z.object({ alg: z.string(), content: z.string() })).optional(),
  properties: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
});
export type Component = z.infer<typeof Component>;
export const Sbom = z.object({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.string(),
  serialNumber: z.string().optional(),
  metadata: z.object({
    timestamp: z.string().optional(),
    tools: z.object({ components: z.array(Component) }).optional(),
    component: Component.optional(),
    properties: Component.shape.properties,
  }),
  components: z.array(Component),
});
export type Sbom = z.infer<typeof Sbom>;

export type SbomInputs = {
  board: string;
  version: string;
  inputs: string;
  lock: Lock;
  relocked: Difference[];
  licences: Licences;
  npm: NpmPackage[];
  /** Our own programs by file name. */
  programs: { name: string; sha256: string }[];
};

export function makeSbom({ board, version, inputs, lock, relocked, licences, npm, programs }: SbomInputs) {
  const image = { type: "firmware", "bom-ref": "image", name: `hamlet-${board}`, version };
  const debs = (["installed", "unpacked"] as const).flatMap((how) =>
    Object.entries(lock[how]).map(([name, one]) => debComponent(name, one, lock.suite, licences[name] ?? [], how)),
  );
  const components: Component[] = [
    ...programs.map((program) => programComponent(program, version)),
    ...debs,
    nodeComponent(lock),
    ...npm.map(npmComponent),
  ];
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${guidOf(`hamlet sbom ${inputs}`)}`,
    version: 1,
    metadata: {
      timestamp: new Date(lock.epochS * 1000).toISOString(),
      tools: {
        components: Object.entries(lock.tools).map(([name, its]) => ({ type: "application", name, version: its })),
      },
      component: image,
      properties: [
        { name: "hamlet:board", value: board },
        { name: "hamlet:inputs", value: inputs },
        ...relocked.map((one) => ({ name: "hamlet:relocked", value: describeDifference(one) })),
      ],
    },
    components,
    dependencies: [
      { ref: "image", dependsOn: components.map((one) => one["bom-ref"]!) },
      ...components.map((one) => ({ ref: one["bom-ref"]! })),
    ],
  } satisfies Sbom & Record<string, unknown>;
}

/** The components from this project and npm, which every image has. */
export const ownComponents = ({ version, npm, programs }: Pick<SbomInputs, "version" | "npm" | "programs">) => [
  ...programs.map((program) => programComponent(program, version)),
  ...npm.map(npmComponent),
];

const programComponent = ({ name, sha256 }: SbomInputs["programs"][number], version: string): Component => ({
  type: "application",
  "bom-ref": `hamlet/${name}`,
  name,
  version,
  licenses: asLicences(["Apache-2.0"]),
  hashes: [{ alg: "SHA-256", content: sha256 }],
});

function debComponent(
  name: string,
  { version, architecture, sha256 }: LockedPackage,
  suite: string,
  licences: string[],
  how: "installed" | "unpacked",
): Component {
  const purl = `pkg:deb/debian/${encoded(name)}@${encoded(version)}?arch=${architecture}&distro=${suite}`;
  return {
    type: how === "installed" ? "library" : name.startsWith("linux-image-") ? "operating-system" : "firmware",
    "bom-ref": purl,
    name,
    version,
    licenses:
      licences.length > 0 ? asLicences(licences) : [{ license: { name: `see /usr/share/doc/${name}/copyright` } }],
    purl,
    hashes: [{ alg: "SHA-256", content: sha256 }],
    properties: [{ name: "hamlet:origin", value: how }],
  };
}

function nodeComponent({ node, architecture }: Lock): Component {
  const name = `node-linux-${architecture === "amd64" ? "x64" : "arm64"}`;
  const purl = `pkg:npm/${name}@${node.version}`;
  return {
    type: "platform",
    "bom-ref": purl,
    name: "node",
    version: node.version,
    licenses: asLicences(["MIT"]),
    purl,
    hashes: [{ alg: "SHA-256", content: node.sha256 }],
  };
}

function npmComponent({ name, version, licence, sha512 }: NpmPackage): Component {
  const purl = `pkg:npm/${encoded(name).replace("%2F", "/")}@${encoded(version)}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    licenses: /\s/.test(licence ?? "") ? [{ expression: licence! }] : asLicences([licence ?? "not stated"]),
    purl,
    ...(sha512 && { hashes: [{ alg: "SHA-512", content: sha512 }] }),
  };
}

const asLicences = (names: string[]) =>
  names.map((name) => {
    const id = spdxId(name);
    return { license: id === undefined ? { name } : { id } };
  });

/** Encodes text for a package URL: letters, digits and `.-_~` stay. */
const encoded = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

/** The licences of a component as strings. */
export const licenceNames = ({ licenses = [] }: Component): string[] =>
  licenses.map((one) => ("expression" in one ? one.expression : (one.license.id ?? one.license.name ?? "")));
