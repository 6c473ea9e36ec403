// `operator list`: whom the root lets roll out releases.
import type { Command } from "../../terminal/command.ts";
import { filledTable } from "../../terminal/table.ts";
import { ownedNeighborhood, ownerOptions } from "./owner.ts";

export const operatorList: Command = {
  usage: "operator list [--json]",
  summary: "list the operators of a neighborhood",
  example: "hamlet operator list --neighborhood elm-street",
  options: {
    json: { type: "boolean", describe: "print JSON" },
    neighborhood: ownerOptions["neighborhood"]!,
  },
  async run({ values }, { print }) {
    const { file, revocations } = await ownedNeighborhood(values);
    const operators = file.operators.map(({ name, key }) => ({ name, key, isRevoked: revocations.operators.has(key) }));
    if (values["json"]) print(JSON.stringify(operators));
    else {
      const rows = operators.map(({ name, key, isRevoked }) => [name, key, isRevoked ? "revoked" : ""]);
      print(...filledTable(["operator", "key", "state"], rows));
    }
    return 0;
  },
};
