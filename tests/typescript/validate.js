// Print what AsyncAPI's own parser says of the document on standard input.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
for (const { code, message, path } of diagnostics)
  if (code !== "asyncapi-latest-version") console.log(code, path.join("."), message);
if (document) console.log(`${document.channels().length} channels`);
