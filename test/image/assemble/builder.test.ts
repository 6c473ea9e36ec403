// The pure parts of the Debian builder: closure of modules, choice of firmware, archives, unit links.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { cpio, file, folder, link, tar } from "../../../image/bundle/archive.ts";
import { firmwareFor, indexModules, moduleClosure } from "../../../image/bundle/debian/modules.ts";
import { installLinks } from "../../../image/bundle/debian/units.ts";

const dep = `kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko
kernel/fs/jbd2/jbd2.ko:
kernel/lib/crc16.ko:
kernel/lib/libcrc32c.ko:
kernel/crypto/crc32c_generic.ko:
kernel/drivers/usb/storage/usb-storage.ko: kernel/drivers/usb/core/usbcore.ko
kernel/drivers/usb/core/usbcore.ko:
kernel/a.ko: kernel/b.ko
kernel/b.ko: kernel/a.ko
`;
const softdep = "# comment\nsoftdep ext4 pre: crc32c_generic post: nowhere\n";

test("a module follows its dependencies and brings its soft dependencies", () => {
  const index = indexModules(dep, softdep);
  expect(moduleClosure(index, ["ext4", "usb_storage", "ext4", "not_there"])).toEqual([
    "kernel/crypto/crc32c_generic.ko",
    "kernel/fs/jbd2/jbd2.ko",
    "kernel/lib/crc16.ko",
    "kernel/fs/ext4/ext4.ko",
    "kernel/drivers/usb/core/usbcore.ko",
    "kernel/drivers/usb/storage/usb-storage.ko",
  ]);
});

test("circular dependencies between modules end", () => {
  expect(moduleClosure(indexModules(dep, softdep), ["a"])).toEqual(["kernel/b.ko", "kernel/a.ko"]);
});

test("a driver gets the firmware that it names, or else the newest older one, with the data beside it", () => {
  const available = ["x-a0-50.ucode", "x-a0-66.ucode", "x-a0-80.ucode", "x-a0.pnvm", "y-5.ucode", "z-1.ucode"];
  expect(firmwareFor(["x-a0-72.ucode", "y-5.ucode", "none-1.ucode", "rtl_nic/gone.fw"], available)).toEqual([
    "x-a0-66.ucode",
    "x-a0.pnvm",
    "y-5.ucode",
  ]);
});

test("tar and cpio read names, modes, contents and links from our archives", () => {
  const long = `usr/share/${"deep/".repeat(25)}file`;
  const entries = [
    folder("bin", 0o755),
    file("bin/tool", "#!/bin/sh\n", 0o755),
    link("bin/alias", "tool"),
    file(long, "x"),
  ];
  const archive = Buffer.concat([...tar(entries, 1_700_000_000)]);
  const listed = execFileSync("tar", ["-tvf", "-", "--numeric-owner", "--utc"], { input: archive, encoding: "utf8" });
  expect(listed).toContain("-rwxr-xr-x 0/0 ");
  expect(listed).toContain("2023-11-14 22:13 bin/tool");
  expect(listed).toContain("bin/alias -> tool");
  expect(listed).toContain(long);
  expect(execFileSync("tar", ["-xOf", "-", "bin/tool"], { input: archive, encoding: "utf8" })).toBe("#!/bin/sh\n");
  const names = cpio(entries)
    .toString("latin1")
    .match(/070701[0-9a-f]{104}[^\0]+/g)!
    .map((header) => header.slice(110));
  expect(names).toEqual(["bin", "bin/tool", "bin/alias", long, "TRAILER!!!"]);
});

test("the same entries give the same archive", () => {
  const once = () => Buffer.concat([...tar([file("a", "1"), folder("b")], 5)]);
  expect(once().equals(once())).toBe(true);
  expect(() => [...tar([file("x".repeat(300), "")], 0)]).toThrow(expect.objectContaining({ code: "bundle.invalid" }));
});

test("a unit is enabled for the targets in its [Install] section", () => {
  const text =
    "[Unit]\nWantedBy=ignored.target\n[Install]\nWantedBy=multi-user.target boot.target\nRequiredBy=boot-complete.target\n";
  expect(installLinks("x.service", text).map((entry) => entry.path)).toEqual([
    "usr/lib/systemd/system/multi-user.target.wants/x.service",
    "usr/lib/systemd/system/boot.target.wants/x.service",
    "usr/lib/systemd/system/boot-complete.target.requires/x.service",
  ]);
  expect(installLinks("y.service", "[Service]\n")).toEqual([]);
});
