"""Build names.txt, the bundled list of Indian first names, from the lists that installed packages ship.

Nothing is downloaded: Faker and indian-names are read where pip installed them, and the list of the npm
package @faker-js/faker from the copy beside this script, which `--faker-js` renews from an unpacked package.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = HERE / "names.txt"
NOT_INDIAN = HERE / "not_indian.txt"
FAKER_JS = HERE / "faker_js_en_in.txt"
USABLE = re.compile("[a-z]{4,10}")
FAKER_JS_HEADER = re.compile(r"# First names of the en_IN locale of @faker-js/faker (\S+) \(MIT\)")


class BuildError(Exception):
    """A source is missing or not laid out as expected; the message says which and what to do."""


@dataclass(frozen=True)
class Source:
    """One package's list: its usable names in lower case, and how many different names it ships."""

    package: str
    version: str
    shipped: int
    usable: frozenset[str]


def source(package: str, version: str, names: Iterable[str]) -> Source:
    """A package's list in lower case; usable are names of 4 to 10 letters a-z."""
    different = {name.strip().lower() for name in names} - {""}
    usable = frozenset(name for name in different if USABLE.fullmatch(name))
    return Source(package, version, len(different), usable)


def faker() -> Source:
    """The first names of Faker's en_IN person provider."""
    from faker.providers.person.en_IN import Provider

    names = [*Provider.first_names_male, *Provider.first_names_female]
    return source("Faker", metadata.version("Faker"), names)


def indian_names() -> Source:
    """The two lists of first names in indian-names; the first line of each file is its length.

    Raises
    ------
    BuildError
        Where a file does not start with its length.
    """
    names: list[str] = []
    for file in ("first.male.names", "first.female.names"):
        count, *lines = resources.files("indian_names").joinpath(file).read_text(encoding="utf-8").split()
        if count != str(len(lines)):
            raise BuildError(f"{file} of indian-names does not start with its length: its layout has changed")
        names += lines
    return source("indian-names", metadata.version("indian-names"), names)


def faker_js() -> Source:
    """The copy of @faker-js/faker's list beside this script.

    Raises
    ------
    BuildError
        Where the copy does not start with its version.
    """
    header, *names = FAKER_JS.read_text(encoding="utf-8").splitlines()
    known = FAKER_JS_HEADER.fullmatch(header)
    if known is None:
        raise BuildError(f"{FAKER_JS.name} does not start with its version; write it again with --faker-js PACKAGE")
    return source("@faker-js/faker", known[1], names)


def read_faker_js(package: Path) -> str:
    """The text of faker_js_en_in.txt, from an unpacked @faker-js/faker laid out as version 10.6.0.

    Raises
    ------
    BuildError
        Where the folder holds another package, or one of another licence or layout.
    """
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    found = (about.get("name"), about.get("license"))
    if found != ("@faker-js/faker", "MIT"):
        raise BuildError(f"{package} holds {found[0]} under licence {found[1]}, not @faker-js/faker under MIT")
    bundles = sorted((package / "dist").glob("en_IN-*.js"))
    code = bundles[0].read_text(encoding="utf-8") if bundles else ""
    person = re.search("person:{first_name:{(.*?)},last_name:", code)
    # The release is minified: every list is one string of names between full stops, `A.B.C`.split(`.`).
    lists = re.findall(r"`([^`]+)`\.split\(`\.`\)", person[1]) if person else []
    if not lists:
        raise BuildError(f"no en_IN names found in {package}: its layout is not that of @faker-js/faker 10.6.0")
    names = sorted({name for each in lists for name in each.split(".")})
    return "\n".join([f"# First names of the en_IN locale of @faker-js/faker {about['version']} (MIT)", *names, ""])


def left_out() -> set[str]:
    """The Western names of not_indian.txt."""
    lines = NOT_INDIAN.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def report(sources: list[Source], western: set[str]) -> str:
    """The Markdown table of README.md: what each source ships and what of it is in names.txt."""
    rows = [
        "| source | version | names | of 4 to 10 letters | Western, left out | in names.txt | only here |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for each in sources:
        others = frozenset[str]().union(*(other.usable for other in sources if other is not each))
        kept = each.usable - western
        counts = (each.shipped, len(each.usable), len(each.usable & western), len(kept), len(kept - others))
        rows.append(f"| {each.package} | {each.version} | {' | '.join(map(str, counts))} |")
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Build or check the list; 0 when done or up to date, 1 when out of date or a source is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if names.txt is out of date")
    parser.add_argument("--faker-js", type=Path, metavar="PACKAGE", help="renew faker_js_en_in.txt from this folder")
    options = parser.parse_args(arguments)
    try:
        if options.faker_js is not None:
            write(FAKER_JS, read_faker_js(options.faker_js), options.check)
        sources = [faker(), indian_names(), faker_js()]
        western = left_out()
        every = frozenset[str]().union(*(each.usable for each in sources))
        if stale := sorted(western - every):
            raise BuildError(f"{NOT_INDIAN.name} lists names that no source has: {', '.join(stale)}")
        write(NAMES, "".join(f"{name}\n" for name in sorted(every - western)), options.check)
    except ImportError as error:
        print(f"build.py: {error}. Install the sources: python -m pip install Faker indian-names", file=sys.stderr)
        return 1
    except (BuildError, OSError, ValueError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    print(report(sources, western))
    print(f"{NAMES.name}: {len(every - western)} names")
    return 0


def write(file: Path, text: str, only_check: bool) -> None:
    """Write ``text`` to ``file``, or only check that it is there already.

    Raises
    ------
    BuildError
        Where it is only to be checked, and the file is missing or holds something else.
    """
    if not only_check:
        file.write_bytes(text.encode())
    elif not file.is_file() or file.read_bytes() != text.encode():
        raise BuildError(f"{file.name} is out of date; build it again without --check")


if __name__ == "__main__":
    sys.exit(main())
