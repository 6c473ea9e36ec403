// What is said of a code beyond its message.

/** `cause`: what has happened, for any message with this code. `next`: what a person does about it. */
export type Cause = { cause: string; next: string };
