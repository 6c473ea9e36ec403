# A whole device: a read-only root without Nix, its state on `data`, and everything else that a Debian image has, from the
# same files. image/bundle/initrd/init starts systemd; NixOS's own initrd and activation are not used.
{ config, lib, modulesPath, pkgs, ... }:
let
  inherit (lib) filter genAttrs hasPrefix listToAttrs mkForce mkOption nameValuePair removePrefix types;
  cfg = config.services.hamlet;
  shared = ../../image/bundle/root;
  files = pkgs.callPackage ../files.nix {
    inherit (cfg) programs;
    nodejs = pkgs.nodejs-slim_24;
    systemd = config.systemd.package;
  };
  folders = filter builtins.pathExists
    ([ (shared + "/usr/lib/systemd/system") ] ++ map (folder: ../.. + "/${folder}") (lib.importJSON ../units.json).appliance);

  # Drop-ins and networks are copied unchanged, except sshd's, which NixOS writes itself.
  etcFiles = filter (path: !(hasPrefix "ssh/" path))
    (map (path: removePrefix "${toString shared}/etc/" (toString path)) (lib.filesystem.listFilesRecursive (shared + "/etc")));
  inherit (lib.importJSON ../constants.json) agentUserId;

  # What a Debian image masks, but for NixOS's own ways: it loads its firewall by a unit, and modules by name.
  masked = lib.importJSON ../masked.json;
  maskedUnits = lib.subtractLists [ "nftables.service" "systemd-modules-load.service" ] masked.units ++ [
    # The same units under the names of newer versions of systemd, and newer units of the same kind.
    "systemd-boot-random-seed.service"
    "systemd-pcrmachine.service"
    "systemd-pcrphase-initrd.service"
    "systemd-tpm2-setup.service"
    "systemd-tpm2-setup-early.service"
    "systemd-hibernate-clear.service"
    "systemd-pstore.service"
    "mount-pstore.service"
    "systemd-networkd-varlink-metrics.socket"
    # Nobody logs in but root, whose logins the journal has.
    "lastlog2-import.service"
    "linger-users.service"
    # It runs a program to turn off the auditing that journald.conf.d turns off.
    "audit.service"
    "autovt@.service"
  ];
  # ssh: it would open sockets for sshd of its own. The others look for what a device never has.
  maskedGenerators = masked.generators ++ map (name: "systemd-${name}-generator") [ "ssh" "tpm2" "import" "factory-reset" ];
in
{
  imports = [
    (modulesPath + "/profiles/image-based-appliance.nix")
    ./agent.nix
    ./network.nix
    ./boot-health.nix
    ./boards.nix
    ./recent.nix
  ];

  options.services.hamlet = {
    version = mkOption {
      type = types.strMatching "[0-9A-Za-z][0-9A-Za-z.~+-]*";
      description = "version of this release";
    };
    appliancePackage = mkOption {
      type = types.package;
      default = files {
        name = "hamlet-appliance";
        inherit folders;
        scripts = [ (shared + "/usr/lib/hamlet/grow-data") ];
      };
      defaultText = "root's units";
      description = "package with the units that run as root: first boot, growing the data partition, the lab's port";
    };
  };

  config = {
    services.hamlet.enable = true;
    services.hamlet.settings = { inherit (cfg) board; release = cfg.version; };

    environment.etc = listToAttrs (map (path: nameValuePair path { source = shared + "/etc/${path}"; }) etcFiles) // {
      # The initrd has already mounted everything.
      fstab.text = mkForce "";
      # It names all firmware that there is. The kernel looks in /lib/firmware, where root.nix puts the part that the drivers ask for.
      "modprobe.d/firmware.conf".enable = mkForce false;
    };
    environment.systemPackages = (import ../spawned.nix { inherit lib pkgs; systemd = config.systemd.package; }).all
      ++ [ pkgs.iw pkgs.ethtool ];
    systemd.packages = [ cfg.appliancePackage ];
    services.udev.packages = [ cfg.appliancePackage ];
    systemd.units = lib.mkMerge [
      (import ../install-sections.nix { inherit lib; } folders)
      (genAttrs maskedUnits (_: { enable = mkForce false; }))
    ];
    # Some of these services are scripts that expect the usual programs of a Debian system.
    systemd.services = lib.genAttrs
      (map (lib.removeSuffix ".service") (filter (lib.hasSuffix ".service") (lib.concatMap (folder: builtins.attrNames (builtins.readDir folder)) folders)))
      (_: { path = [ config.system.path ]; });
    systemd.tmpfiles.rules = [
      "d /var/lib/hamlet/system 0755 root root -"
      "d /var/lib/hamlet/root 0700 root root -"
    ];
    # A Debian image has none of these.
    boot.bcache.enable = false;
    console.enable = false;
    fonts.fontconfig.enable = false;
    powerManagement.enable = false;
    programs.nano.enable = false;
    # Setuid programs: nobody but root logs in, and no service may gain privileges.
    security.enableWrappers = false;
    security.sudo.enable = false;
    services.lvm.enable = false;
    systemd.coredump.enable = false;
    systemd.network.wait-online.enable = false;
    services.fstrim.enable = false;
    systemd.oomd.enable = false;
    systemd.generators = genAttrs maskedGenerators (_: "/dev/null");
    # It copies the system into memory at shutdown, to unmount a root that needs no unmounting.
    systemd.shutdownRamfs.enable = false;
    boot.tmp.useTmpfs = true;

    services.openssh = {
      enable = true;
      openFirewall = true;
      authorizedKeysFiles = mkForce [ "/var/lib/hamlet/root/ssh/authorized_keys" ];
      hostKeys = mkForce [ { type = "ed25519"; path = "/var/lib/hamlet/root/ssh/ssh_host_ed25519_key"; } ];
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = "prohibit-password";
        UsePAM = false;
        X11Forwarding = false;
      };
    };

    services.userborn.enable = true;
    # Files on `data` keep their owner across updates.
    users.users.hamlet.uid = agentUserId;
    users.groups.hamlet.gid = agentUserId;
    # No password opens it. Without this the entry would be "!*", which sshd without PAM takes for a locked account even with a key.
    users.users.root.hashedPassword = "*";
    users.allowNoPasswordLogin = true;

    networking.useNetworkd = true;
    networking.nftables.enable = true;
    # Rules that log would wear out the journal, and need a module that the image has not.
    networking.firewall.logRefusedConnections = false;
    services.resolved.enable = true;
    # The hostname comes from the provision file: root.nix links /etc/hostname to it.
    networking.hostName = "";
    networking.useDHCP = false;
    fileSystems."/" = { device = "/dev/mapper/hamlet-root"; fsType = "erofs"; options = [ "ro" ]; };
    boot.loader.grub.enable = false;
    boot.kernelModules = [ "tcp_bbr" "sch_fq" ];
    documentation.enable = false;
    system.stateVersion = "26.05";
  };
}
