// Follows an update for a person, or with --json for a program: then one line for each change, the last for the end.
import type { UpdateStatus } from "../../../agent/api/schema.ts";
import { silentProgress } from "../../../system/progress.ts";
import type { Context, Values } from "../../terminal/command.ts";
import { type Followed, followUpdate } from "./follow.ts";

export function followFor(values: Values, device: Followed, before: UpdateStatus, context: Context): Promise<number> {
  return values["json"] === true ? followInJson(device, before, context) : followUpdate(device, before, context);
}

function followInJson({ status }: Followed, before: UpdateStatus, context: Context): Promise<number> {
  let shown = "";
  const telling = async () => {
    const found = await status();
    const line = JSON.stringify({ device: found.self.name, ...found.update });
    if (found.update && line !== shown) context.print(line);
    shown = line;
    return found;
  };
  return followUpdate({ status: telling }, before, { ...context, print() {}, progress: silentProgress });
}
