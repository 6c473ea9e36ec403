// `image inspect <image>`: what an image holds, without mounting it.
import { inspectImage } from "../image/inspect.ts";
import { type Command, required } from "./command.ts";

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const imageInspect: Command = {
  usage: "image inspect <image> [--json]",
  summary: "tell board, version, partitions and sizes of an image",
  example: "hamlet image inspect out/hamlet-nuc-0.1.0.img",
  options: { json: { type: "boolean", describe: "print it as JSON" } },
  async run(input, { print }) {
    const image = await inspectImage(required(imageInspect, input, 0, "the image"));
    if (input.values["json"]) {
      print(JSON.stringify(image));
      return 0;
    }
    print(`board        ${image.board}`);
    print(`version      ${image.version}`);
    print(`packages of  ${new Date(image.builtS * 1000).toISOString().slice(0, 10)}`);
    print(`root hash    ${image.rootHash}`);
    print(`provisioned  ${image.isProvisioned ? "yes: this file holds a live secret" : "no"}`);
    print(`boot entries ${image.entries.join(", ")}`);
    print("partitions");
    for (const { label, firstByte, sizeBytes } of image.partitions) {
      print(`  ${label.padEnd(10)} ${mib(sizeBytes).padStart(12)} at ${mib(firstByte)}`);
    }
    print("root filesystem by origin");
    for (const [name, bytes] of Object.entries(image.parts)) print(`  ${name.padEnd(10)} ${mib(bytes).padStart(12)}`);
    return 0;
  },
};
