# A whole device: a read-only root without Nix, its state on `data`, and everything else that a Debian image has, from the
# same files. image/bundle/initrd/init starts systemd; NixOS's own initrd and activation are not used.
{ config, lib, modulesPath, pkgs, ... }:
let
  inherit (lib) filter hasInfix hasPrefix listToAttrs mkForce mkOption nameValuePair removePrefix types;
  cfg = config.services.hamlet;
  shared = ../../image/bundle/root;
  files = pkgs.callPackage ../files.nix {
    inherit (cfg) programs;
    nodejs = pkgs.nodejs-slim_24;
    systemd = config.systemd.package;
  };
  folders = filter builtins.pathExists
    ([ (shared + "/usr/lib/systemd/system") ] ++ map (folder: ../.. + "/${folder}") (lib.importJSON ../units.json).appliance);

  # Drop-ins and networks are copied unchanged, except sshd's, which NixOS writes itself, and the resolver's, which network.nix adds.
  etcFiles = filter (path: !(hasPrefix "ssh/" path || hasInfix "resolved.conf.d" path))
    (map (path: removePrefix "${toString shared}/etc/" (toString path)) (lib.filesystem.listFilesRecursive (shared + "/etc")));
in
{
  imports = [
    (modulesPath + "/profiles/image-based-appliance.nix")
    ./agent.nix
    ./network.nix
    ./boot-health.nix
    ./boards.nix
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
    };
    environment.systemPackages = [ pkgs.e2fsprogs pkgs.util-linux pkgs.wpa_supplicant pkgs.iw pkgs.ethtool ];
    systemd.packages = [ cfg.appliancePackage ];
    services.udev.packages = [ cfg.appliancePackage ];
    systemd.units = import ../install-sections.nix { inherit lib; } folders;
    # Some of these services are scripts that expect the usual programs of a Debian system.
    systemd.services = lib.genAttrs
      (map (lib.removeSuffix ".service") (filter (lib.hasSuffix ".service") (lib.concatMap (folder: builtins.attrNames (builtins.readDir folder)) folders)))
      (_: { path = [ config.system.path ]; });
    systemd.tmpfiles.rules = [
      "d /var/lib/hamlet/system 0755 root root -"
      "d /var/lib/hamlet/root 0700 root root -"
    ];
    # No logins at a console.
    systemd.suppressedSystemUnits = [ "getty@.service" "serial-getty@.service" "autovt@.service" "console-getty.service" ];

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

    # Users are static files in the image: nothing creates them at boot.
    services.userborn = { enable = true; static = true; };
    users.allowNoPasswordLogin = true;
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
