"""The content security policy: what it names, and style attributes that become classes."""

from __future__ import annotations

import re

import pytest

from reports.policy import digest, sealed, without_style_attributes


def test_a_digest_is_the_one_that_browsers_compute() -> None:
    """The example of Content Security Policy Level 3, section 6.6.2.2 (also on MDN, "script-src")."""
    assert digest("alert('Hello, world.');") == "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"


def test_styles_become_classes_that_win_over_the_style_sheet() -> None:
    page, rules = without_style_attributes(
        '<p style="color: red; --n: 2">a</p><i class="b c" style="color: red; --n: 2"></i><br style="top:0"/>'
        "<svg aria-label='x'><text style=\"font: 10px 'DejaVu Sans'; fill: url(data:a;b)\">style=\"x\"</text></svg>"
    )
    assert page == (
        '<p class="s0">a</p><i class="s0 b c"></i><br class="s1"/>'
        '<svg aria-label=\'x\'><text class="s2">style="x"</text></svg>'
    )
    assert rules.split("\n")[1:] == [
        ".s0{color: red!important;--n: 2!important}",
        ".s1{top:0!important}",
        ".s2{font: 10px 'DejaVu Sans'!important;fill: url(data:a;b)!important}",
    ]


@pytest.mark.parametrize("style", ["&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;", "a}b{c:d", "@import x"])
def test_a_style_that_is_more_than_a_style_is_dropped(style: str) -> None:
    page, rules = without_style_attributes(f'<p style="{style}">a</p>')
    assert "style" not in page
    assert rules == ""


def test_a_script_that_got_in_is_not_named() -> None:
    page = sealed('<head>\n<meta charset="utf-8">\n</head><script>own</script><script>alert(1)</script>', "a{}", "own")
    policy = re.search('content="(.*?)"', page)
    assert policy is not None
    assert policy[1] == (
        f"default-src 'none'; script-src {digest('own')}; style-src {digest('a{}')}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
