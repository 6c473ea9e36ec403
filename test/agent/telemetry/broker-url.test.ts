import fc from "fast-check";
import { expect, test } from "vitest";
import { parseBrokerUrl, passwordsIn } from "../../../agent/telemetry/broker-url.ts";
import { targetOf } from "../../../agent/telemetry/transport.ts";

test("mqtt-percent: a password works as typed, or is refused with how to write it", () => {
  const anything = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(..."ab%40@:/?#[]\\ ü\t") }),
  );
  fc.assert(
    fc.property(fc.constantFrom("mqtt", "mqtts"), anything, (scheme, password) => {
      const parsed = parseBrokerUrl(`${scheme}://ha:${password}@broker.example:1884`);
      if (typeof parsed === "string") {
        expect(password).toMatch(/[/?#]|\p{Cc}|\p{Cs}/u);
        if (password.length > 3) expect(parsed).not.toContain(password);
        return;
      }
      expect(parsed).toMatchObject({ host: "broker.example", port: 1884, username: "ha", isTls: scheme === "mqtts" });
      // Only what is an escape is read as one.
      if (!/%[0-9a-f]{2}/i.test(password)) expect(parsed.password ?? "").toBe(password);
    }),
    { numRuns: 1_000 },
  );
});

test("mqtt-percent: percent-encoded user names and passwords are decoded", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "grapheme" }), (name, password) => {
      const [user, secret] = [encodeURIComponent(name), encodeURIComponent(password)];
      expect(parseBrokerUrl(`mqtt://${user}:${secret}@[fd00::2]`)).toEqual({
        ...{ isTls: false, host: "fd00::2", port: 1883, username: name },
        ...(password && { password }),
      });
    }),
  );
});

test.each([
  ["mqtt://ha:p/ss@broker", "write / as %2F"],
  ["mqtt://ha:12#34@broker", "write / as %2F"],
  ["mqtt://ha:12?34@broker", "write / as %2F"],
  ["mqtt://ha:a\tb@broker", "control character"],
  ["mqtt://ha:\ud800@broker", "half a character"],
  ["mqtt://:secret@broker", "but no user name"],
  ["mqtt://broker/topic", "nothing may follow"],
  ["mqtt://broker?clientId=x", "nothing may follow"],
  ["mqtt://broker:0", "1 to 65535"],
  ["mqtt://broker:65536", "1 to 65535"],
  ["mqtt://fd00::1", "IPv6 in [ ]"],
  ["mqtt://ha:secret@", "must be a name or an address"],
  ["mqtt://two words", "must be a name or an address"],
  ["http://broker", "mqtt:// or mqtts://"],
])("mqtt-percent: %s is refused and told why, without the password", (url, why) => {
  expect(parseBrokerUrl(url)).toContain(why);
  expect(parseBrokerUrl(url)).not.toMatch(/p\/ss|12.34|secret/);
  expect(() => targetOf(url, 1883)).toThrow(expect.objectContaining({ code: "config.invalid" }));
});

test("a broker's host is normalized as browsers do", () => {
  expect(parseBrokerUrl(" MQTT://Broker.Example./ ")).toMatchObject({ host: "broker.example.", port: 1883 });
  expect(parseBrokerUrl("mqtts://bröker.example")).toMatchObject({ host: "xn--brker-kua.example", port: 8883 });
});

test("the password is found even in malformed URLs", () => {
  expect(passwordsIn("mqtt://ha:p@ss/w%40rd@broker")).toEqual(["p@ss/w%40rd", "p@ss/w@rd"]);
  expect(passwordsIn("mqtt://broker")).toEqual([]);
});
