"""For mkdocs.yml: links out of docs/ lead to the repository, and the pages of mechanisms need no entry in the menu."""

import posixpath
import re

LINK = re.compile(r"(\]\()([^)\s:#]+)(#[^)\s]*)?(\))")


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(link):
        target = posixpath.normpath(posixpath.join("docs", folder, link.group(2)))
        inside = target.startswith("docs/") and posixpath.splitext(target)[1]
        if inside and files.get_file_from_path(target[len("docs/") :]):
            return link.group(0)
        address = f"{config.repo_url}/blob/main/{target}"
        return link.group(1) + address + (link.group(3) or "") + link.group(4)

    return LINK.sub(replaced, markdown)
