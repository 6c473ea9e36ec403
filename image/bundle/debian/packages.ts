// The Debian packages of the root filesystem, and the files that are left out of it.
import type { Asked } from "../lock/lock.ts";

/** Installed by mmdebstrap without recommends, on top of the essential packages. */
export const installed = [
  "usr-is-merged",
  // the base: init, devices, names, time
  "systemd",
  "systemd-sysv",
  "systemd-resolved",
  "systemd-timesyncd",
  "libnss-resolve",
  "libnss-myhostname",
  "udev",
  "dbus",
  "kmod",
  "procps",
  "util-linux",
  "ca-certificates",
  // boot control and disks
  "systemd-boot",
  "cryptsetup-bin",
  "dmsetup",
  "fdisk",
  "e2fsprogs",
  "dosfstools",
  // wired and wireless network
  "iproute2",
  "iputils-ping",
  "nftables",
  "wireguard-tools",
  "wireguard-go",
  "ethtool",
  "iw",
  "wpasupplicant",
  "wireless-regdb",
  // starts only if the owner has provided a key
  "openssh-server",
  // for the initrd
  "busybox-static",
];

/** Unpacked in part, not installed: the kernel's meta package and the firmware of the drivers below. */
const kernelMetaPackage = (architecture: string) => `linux-image-${architecture}`;
const firmwarePackages = {
  amd64: ["firmware-realtek", "firmware-iwlwifi"],
  arm64: ["firmware-realtek", "firmware-brcm80211", "raspi-firmware"],
};
/** Of Broadcom's firmware for a hundred devices, only the Raspberry Pis': selected by name, not by driver. */
export const firmwareByDriver = (name: string): boolean => !name.startsWith("brcm/");
export const firmwareByName = ["43430", "43455", "43456"].map((chip) => `brcm/brcmfmac${chip}-sdio.`);

/** The packages from which a lock for this architecture is resolved. */
export const askedFor = (architecture: keyof typeof firmwarePackages): Asked => ({
  installed,
  unpacked: [kernelMetaPackage(architecture), ...firmwarePackages[architecture]],
});

/** Modules of the root filesystem; their dependencies are added. Names that the kernel lacks or has built in are skipped. */
export const rootModules = [
  // virtual machines
  ..."virtio_pci virtio_mmio virtio_blk virtio_net virtio_scsi virtio_console virtio_rng virtio_balloon qemu_fw_cfg".split(
    " ",
  ),
  // disks and buses
  ..."nvme ahci sd_mod xhci_pci xhci_hcd ehci_pci usb_storage uas mmc_block sdhci_pci lpc_ich i2c_i801".split(" "),
  // Raspberry Pi: card readers, USB, network, Wi-Fi, display, clock rate
  ..."bcm2835 sdhci_iproc dwc2 bcmgenet broadcom bcm7xxx smsc95xx lan78xx microchip brcmfmac brcmutil".split(" "),
  ..."reset_raspberrypi raspberrypi_cpufreq vc4 bcm2835_rng iproc_rng200 bcm2835_thermal bcm2711_thermal".split(" "),
  // keyboards
  ..."hid hid_generic usbhid evdev".split(" "),
  // network hardware
  ..."e1000e igc igb r8169 realtek e1000 cdc_ether rndis_host r8152 ax88179_178a".split(" "),
  ..."iwlwifi iwlmvm iwldvm cfg80211 mac80211 ccm cmac gcm ctr".split(" "),
  // network software: WireGuard, the nft table `inet hamlet`, queueing, congestion control
  ..."wireguard tun dummy veth bridge ip6_udp_tunnel udp_tunnel".split(" "),
  ..."nf_tables nfnetlink nft_ct nft_chain_nat nft_nat nft_masq nft_fib nft_fib_inet nft_fib_ipv4 nft_fib_ipv6".split(
    " ",
  ),
  ..."nft_reject nft_reject_inet nft_limit nft_log nft_counter nft_hash nft_socket nft_tproxy nft_queue".split(" "),
  ..."nf_conntrack nf_nat sch_fq sch_fq_codel sch_cake sch_netem sch_ingress tcp_bbr".split(" "),
  // file systems and verity
  ..."erofs ext4 vfat nls_ascii nls_cp437 nls_utf8 efivarfs efi_pstore overlay loop autofs4 dm_mod dm_verity crc32c_generic".split(
    " ",
  ),
  ..."crc32c_intel sha256_ssse3 aesni_intel chacha_x86_64 poly1305_x86_64 curve25519_x86_64".split(" "),
  ..."sha2_ce sha256_arm64 aes_ce_blk aes_neon_bs chacha_neon poly1305_neon crct10dif_ce".split(" "),
  // watchdogs, temperatures, clock
  ..."iTCO_wdt bcm2835_wdt i6300esb softdog wdat_wdt coretemp x86_pkg_temp_thermal intel_rapl_msr acpi_thermal_rel thermal button rtc_cmos".split(
    " ",
  ),
];

/** Modules that the initrd loads, in this order, before it looks for the disk. */
export const initrdModules = [
  ..."crc32c_generic crc32c_intel sha256_ssse3 sha2_ce sha256_arm64 dm_mod dm_verity erofs ext4 efivarfs".split(" "),
  // What a panic leaves, from here on.
  "efi_pstore",
  ..."reset_raspberrypi bcm2835 sdhci_iproc bcm2835_wdt dwc2".split(" "),
  ..."virtio_pci virtio_mmio virtio_blk virtio_scsi nvme ahci sd_mod xhci_pci ehci_pci usb_storage uas mmc_block sdhci_pci".split(
    " ",
  ),
];

/** Modules that the initrd loads only to lead from a slot that does not start any more to the other one. */
export const rescueModules = "vfat nls_ascii nls_cp437".split(" ");

/** tar patterns of files that a device never uses: package management, keys made by package scripts, catalogues, converters. */
export const leftOut = [
  "./dev/*",
  "./run/*",
  "./var/*",
  "./hamlet",
  "./etc/machine-id",
  "./etc/hostname",
  "./etc/resolv.conf",
  "./etc/*-",
  "./etc/apt",
  "./etc/cron.*",
  "./etc/ssh/ssh_host_*",
  "./etc/ssh/moduli",
  "./etc/systemd/system/*.wants/getty@*",
  "./etc/systemd/system/*.wants/apt-*",
  "./etc/systemd/system/*.wants/dpkg-*",
  "./etc/systemd/system/*.wants/e2scrub_*",
  "./etc/systemd/system/*.wants/fstrim*",
  "./etc/systemd/system/*.wants/wpa_supplicant.service",
  "./etc/systemd/system/*.wants/systemd-pstore.service",
  "./usr/bin/apt*",
  "./usr/bin/dpkg*",
  "./usr/bin/deb*",
  "./usr/bin/perl*",
  "./usr/lib/apt",
  "./usr/lib/dpkg",
  "./usr/lib/udev/hwdb.*",
  "./usr/lib/*-linux-gnu/gconv",
  "./usr/lib/*-linux-gnu/libapt-*",
  "./usr/lib/*-linux-gnu/perl-base",
  "./usr/share/bash-completion",
  "./usr/share/bug",
  "./usr/share/debconf",
  "./usr/share/dpkg",
  "./usr/share/info",
  "./usr/share/lintian",
  "./usr/share/locale",
  "./usr/share/man",
  "./usr/share/perl5",
  "./usr/share/zsh",
];
