# iam on NixOS: services.ultracloud.iam.{enable, package, settings}.
import ../nix/lib/service.nix {
  name = "iam";
  about = "who is who, and who may do what";
  after = [ "flaredb.service" ];
}
