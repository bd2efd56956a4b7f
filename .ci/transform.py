"""Runs the SAM transform offline: template.yaml in, plain CloudFormation (JSON) out.

cfn-lint does not look inside SAM functions, so a wrong runtime or a dangling !GetAtt in one passes it; after the
transform it does not. Usage: transform.py TEMPLATE OUTPUT
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the transform asks for a region, nothing is called

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

source, output = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    template = yaml_parse(file.read())

# The transform takes uploaded code only; which code does not matter here.
template["Globals"]["Function"]["CodeUri"] = "s3://any-bucket/any-key"

plain = Translator({}, Parser()).translate(template, parameter_values={})
# The marks of the SAM build mean nothing in plain CloudFormation. Those of cfn-lint and checkov stay.
for resource in plain["Resources"].values():
    metadata = {name: value for name, value in resource.pop("Metadata", {}).items() if name in ("cfn-lint", "checkov")}
    if metadata:
        resource["Metadata"] = metadata

with open(output, "w", encoding="utf-8") as file:
    json.dump(plain, file, indent=2)
