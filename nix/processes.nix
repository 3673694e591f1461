# The processes that have a module; an agent's stands in its service's.
[ "chainfire" "flaredb" "iam" "prismnet" "prismnet-agent" "plasmavmc" "plasmavmc-agent" "apigateway" ]
