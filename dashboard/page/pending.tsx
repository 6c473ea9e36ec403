// The devices that wait for adoption, each with its code; on the page of `hamlet open` the owner lets them in.
import type { Status } from "../../agent/api/schema.ts";
import { Press, useIsOffered } from "./buttons.tsx";
import { Section } from "./parts.tsx";

const reasons: Record<string, string> = {
  tokenExpired: "its token has expired",
  overMaximum: "its token has already admitted its maximum of devices",
  needsConfirmation: "its token requires the owner's confirmation",
};

/** Those that wait at this device, and the device itself while it waits. */
export function waitingIn({ phase, self, pending }: Status) {
  const { id, name, code, deviceKey } = self;
  const itself =
    phase === "pending" && deviceKey !== undefined
      ? [{ id, name, code, deviceKey, because: "this device itself", isItself: true }]
      : [];
  return [...pending.map((one) => ({ ...one, isItself: false })), ...itself];
}

export function Pending({ waiting }: { waiting: ReturnType<typeof waitingIn> }) {
  const mayAdopt = useIsOffered("/v1/adopt");
  return (
    <Section title="Waiting for adoption" id="pending">
      <ul class="plain">
        {waiting.map(({ id, name, code, deviceKey, because, isItself }) => (
          <li key={id}>
            <b>{name}</b> <code>{code}</code> <span class="meta">{reasons[because] ?? because}</span>{" "}
            <Press
              path="/v1/adopt"
              body={{ deviceKey }}
              label={`Adopt ${name}`}
              confirm={`${name} shows ${code}: let it in`}
              done="adopted: it becomes a member as soon as it meets one"
            />{" "}
            {/* It need not tell the others that it is turned away. */}
            {!isItself && (
              <Press
                path="/v1/reject"
                body={{ deviceKey }}
                label={`Reject ${name}`}
                confirm={`Turn ${name} away for 24 hours`}
                done="turned away"
              />
            )}
          </li>
        ))}
      </ul>
      <p class="hint">
        {mayAdopt ? (
          "Adopt a device only if its own page or console shows the same code."
        ) : (
          <>
            If this code is the one on the device's own page or console, its owner lets it in:{" "}
            <code>hamlet adopt &lt;name&gt; --neighborhood &lt;folder&gt; --device &lt;name&gt;.local</code>
          </>
        )}
      </p>
    </Section>
  );
}
