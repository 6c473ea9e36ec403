// `open`: serves the neighborhood's page on this computer and opens it in the browser.
import { serveOpenPage } from "../../../dashboard/open.ts";
import { run } from "../../../system/command.ts";
import { type Command, text, usageError } from "../../terminal/command.ts";
import { deviceOption, findDevice } from "../../terminal/device.ts";

export const open: Command = {
  usage: "open [--no-browser] [--port <number>]",
  summary: "show the neighborhood's page in the browser",
  example: "hamlet open --device cellar",
  details: `
Serves the page of the agent on this computer, or of the running lab, on 127.0.0.1 only, until Ctrl-C.
For a device elsewhere, use SSH: ssh -t -L 8080:127.0.0.1:8080 root@attic hamlet open --port 8080`,
  options: {
    ...deviceOption,
    "no-browser": { type: "boolean", describe: "only print the address" },
    port: { type: "string", argument: "number", describe: "port on 127.0.0.1 (default: a free one)" },
  },
  async run({ values }, { print, note }) {
    const port = Number(text(values, "port") ?? 0);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw usageError(open, "--port must be a number up to 65535");
    const device = await findDevice(values);
    const page = await serveOpenPage(device, { port, request: device.request });
    print(page.url);
    note(
      `the page of ${device.found}${device.request ? "; keep its address secret: it has buttons" : ""}; Ctrl-C ends it`,
    );
    const hasDisplay = Boolean(process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"]);
    if (hasDisplay && !values["no-browser"]) {
      // Without the key, because other users can read it in the list of processes.
      run(["xdg-open", page.url.split("#")[0]!]).catch(() =>
        note("could not start a browser: open the address yourself"),
      );
    }
    await new Promise((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, resolve);
    });
    device.close();
    await page.close();
    return 0;
  },
};
