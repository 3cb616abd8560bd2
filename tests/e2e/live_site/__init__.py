"""A site with live lists, for the test that looks at them in browsers while a script writes."""
