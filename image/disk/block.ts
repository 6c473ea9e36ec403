// The block of everything here that hashes, compares, maps or writes disks in blocks: dm-verity, erofs, bmap, and direct I/O, which needs memory,
// offsets and lengths in whole blocks; no drive has larger ones.

export const blockBytes = 4096;
