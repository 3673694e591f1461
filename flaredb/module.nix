# flaredb on NixOS: services.ultracloud.flaredb.{enable, package, settings}.
import ../nix/lib/service.nix {
  name = "flaredb";
  about = "metadata of every tenant object";
  after = [ "chainfire.service" ];
}
