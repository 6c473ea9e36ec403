// What the owner asks for in user-data and does not get. Every key that is not known is one of these: a slip in its name must not cost
// somebody the only way to log in, silently.
// Pure.
import { nearest } from "../../system/nearest.ts";

/** What a person may have chosen in Imager, and what this system has no use for. */
export const withoutMeaning = ["keyboard", "locale"];

/** `taken`: what imager.ts reads, or says something of its own about. `needless`: what makes no difference on this system. */
type Keys = { taken: string[]; needless: string[] };

const ofUser: Keys = {
  taken: ["ssh_authorized_keys", "passwd", "plain_text_passwd", "hashed_passwd", "ssh_import_id"],
  needless: [
    ...["create_groups", "default", "doas", "expiredate", "gecos", "groups", "homedir", "inactive", "lock_passwd"],
    ...["lock-passwd", "name", "no_create_home", "no_log_init", "no_user_group", "primary_group", "primary-group"],
    ...["selinux_user", "shell", "ssh_redirect_user", "sudo", "system", "uid"],
  ],
};
const ofFile: Keys = {
  taken: [
    ...["hostname", "fqdn", "timezone", "password", "user", "users", "ssh_authorized_keys", "ssh_import_id"],
    ...withoutMeaning,
  ],
  // Imager writes some of them for its own system, and templates for cloud-init have the others.
  needless: [
    ...["create_hostname_file", "disable_root", "enable_ssh", "final_message", "manage_etc_hosts"],
    ...["manage_resolv_conf", "output", "prefer_fqdn_over_hostname", "preserve_hostname", "ssh_deletekeys"],
    ...["ssh_genkeytypes", "ssh_pwauth"],
  ],
};
/** What Imager itself writes under a key that people use as well. */
const byImager: Record<string, RegExp> = {
  apt: /^(conf|preserve_sources_list)$/,
  packages: /^avahi-daemon$/,
  runcmd: /systemctl[ ,]enable[ ,]--now[ ,]ssh|rfkill|regdom|raspi-config|imager_custom|userconf/i,
};
const maxNamed = 8;

export function wishesIn(data: Record<string, unknown>): string[] {
  const users = [data["user"], ...[data["users"]].flat()].filter((user) => typeof user === "object" && user !== null);
  const own = Object.entries(data).filter(([key, value]) => !isImagers(key, value));
  const wishes = [
    ...unknownIn(
      own.map(([key]) => key),
      ofFile,
    ).sort(),
    ...users.flatMap((user) => unknownIn(Object.keys(user as object), ofUser).map((wish) => `${wish} of a user`)),
  ];
  const named = [...new Set(wishes)];
  return named.length <= maxNamed ? named : [...named.slice(0, maxNamed), `and ${named.length - maxNamed} more`];
}

const unknownIn = (keys: readonly string[], { taken, needless }: Keys): string[] =>
  keys.filter((key) => !taken.includes(key) && !needless.includes(key)).map((key) => named(key, taken));

function isImagers(key: string, value: unknown): boolean {
  const own = Object.hasOwn(byImager, key) ? byImager[key] : undefined;
  const parts =
    typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [value ?? []];
  return own !== undefined && parts.flat().every((one) => own.test(String(one)));
}

/** A key that is no word may be anything, even a password: strangers can read what a device says about its card. */
function named(key: string, taken: readonly string[]): string {
  if (!/^[a-z][a-z0-9_-]{0,39}$/i.test(key)) return "a line whose key is no word";
  const meant = nearest(key, taken, 2);
  return meant === undefined ? key : `${key} (did you mean ${meant}?)`;
}
