// `rename <name>`: renames a device permanently.
import { DeviceName } from "../../../provisioning/trust/fields.ts";
import { type Command, required, usageError } from "../../terminal/command.ts";
import { findDeviceForRequests } from "../../terminal/device.ts";
import { ownedDeviceOptions, whereItWorks } from "./owned.ts";

export const rename: Command = {
  usage: "rename <name>",
  summary: "rename a device permanently",
  example: "hamlet rename pantry --device attic",
  details: `
Name, hostname and <name>.hamlet.internal change at once and survive a restart; id and address stay.
${whereItWorks}`,
  options: { ...ownedDeviceOptions, json: { type: "boolean", describe: "print the result as JSON" } },
  async run(input, { print }) {
    const name = required(rename, input, 0, "the new name");
    const parsed = DeviceName.safeParse(name);
    if (!parsed.success) throw usageError(rename, `${name} ${parsed.error.issues[0]?.message}`);
    const device = await findDeviceForRequests(input.values);
    try {
      const { self } = await device.status();
      await device.request("/v1/rename", { name });
      if (input.values["json"]) print(JSON.stringify({ id: self.id, was: self.name, name }));
      else print(self.name === name ? `it is already called ${name}` : `${self.name} is now ${name}`);
      return 0;
    } finally {
      device.close();
    }
  },
};
