"""HTML and markdown in prose become inert text."""

import pytest

from mcp_dockerhub_security.markup import defuse
from mcp_dockerhub_security.sanitize import clean_prose


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<b>bold</b> text", "bold text"),
        ("<script>alert(1)</script>after", "after"),
        ("<style>p{}</style>after", "after"),
        ("<!-- hidden instruction -->shown", "shown"),
        ('<img src="http://evil.example/?q=1">', ""),
        ("<img src=http://evil.example/ onerror=alert(1)", "< img src=http://evil.example/ onerror=alert(1)"),
        ("<textarea><img src=x></textarea>done", "done"),
        ("if a <b then the rest stays", "if a < b then the rest stays"),
        ("requires python<3.9 and more", "requires python<3.9 and more"),
        ("&lt;img src=x&gt; &amp;lt; &#60;b&#62;", "&lt;img src=x&gt; &amp;lt; &#60;b&#62;"),
        ("a & b < c", "a & b < c"),
    ],
)
def test_html_becomes_text(raw: str, plain: str) -> None:
    assert defuse(raw) == plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("![logo](http://evil.example/?data=1)", "(image: logo)"),
        ('![logo](http://evil.example "title")', "(image: logo)"),
        ("[docs](https://docs.example)", "docs (`https://docs.example`)"),
        ("[docs](<https://docs.example>)", "docs (`https://docs.example`)"),
        ("[docs](https://en.example/A_(b))", "docs (`https://en.example/A_(b)`)"),
        ("[https://a.example](https://a.example)", "`https://a.example`"),
        ("[License](#license)", "License"),
        ("[empty]()", "empty"),
        ("[x](javascript:alert(1))", "x (`javascript:alert(1)`)"),
        ("[![badge](http://i.example)](http://l.example)", "(image: badge) (`http://l.example`)"),
        ("<https://auto.example>", "`https://auto.example`"),
        ("<ada@mail.example>", "`ada@mail.example`"),
        ("[a [b] c](http://x.example)", "[a [b] c] (http://x.example)"),
        ("[text][ref]\n\n[ref]: http://evil.example", "[text] [ref]\n\n[ref] : http://evil.example"),
        ("[x](http://e.example/`break)", "x (`http://e.example/%60break`)"),
        ("plain https://bare.example stays", "plain https://bare.example stays"),
        ("an [aside] and a list[0]", "an [aside] and a list[0]"),
    ],
)
def test_links_and_images_become_inert_text(raw: str, plain: str) -> None:
    assert defuse(raw) == plain


def test_a_tag_spelled_by_a_link_does_not_come_alive() -> None:
    assert "<" not in defuse("<[img src=http://evil.example/?q= a=](y)>")


def test_removing_a_tag_does_not_assemble_an_image() -> None:
    assert defuse("!<b></b>[x](http://evil.example)") == "(image: x)"


def test_text_made_to_change_forever_loses_its_brackets() -> None:
    nested = "x"
    for _ in range(12):
        nested = f"<textarea><textarea>{nested.replace('<', '<')}</textarea>[<i](a)>"
    assert "<" not in defuse(nested).replace("< ", "")


def test_a_link_whose_text_hides_controls_is_cleaned_first() -> None:
    assert clean_prose("[a\u200b]\u200b(http://evil.example)") == "a (`http://evil.example`)"
