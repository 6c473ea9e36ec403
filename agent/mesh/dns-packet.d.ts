// The part of dns-packet that names.ts uses; the library brings no types.
declare module "dns-packet" {
  export type Question = { name: string; type: string; class: string };
  export type Answer =
    | { type: "AAAA"; name: string; ttl: number; class: "IN"; data: string }
    | {
        type: "SOA";
        name: string;
        ttl: number;
        class: "IN";
        data: {
          mname: string;
          rname: string;
          serial: number;
          refresh: number;
          retry: number;
          expire: number;
          minimum: number;
        };
      }
    | { type: "OPT"; name: "."; udpPayloadSize: number; flags: number; options: [] };
  export type Packet = {
    type: "query" | "response";
    id: number;
    /** QR, opcode, AA, TC, RD, RA and rcode as in the header. */
    flags: number;
    questions: Question[];
    answers?: Answer[];
    authorities?: Answer[];
    additionals?: { type: string }[];
  };
  export function decode(message: Uint8Array): Packet;
  export function encode(packet: Packet): Buffer;
}
