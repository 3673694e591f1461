# apigateway on NixOS: services.ultracloud.apigateway.{enable, package, settings}.
import ../nix/lib/service.nix {
  name = "apigateway";
  about = "the front door, one REST API";
  after = [ "iam.service" ];
}
