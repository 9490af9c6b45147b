# SPDX-License-Identifier: Apache-2.0
"""Credentials that their service made recognisable, by the prefix that its documentation gives."""

from __future__ import annotations

import re
from typing import Final

from toolbox.collect.patterns import Pattern

# service -> expressions, and of what each has a part in it, in lower case.
_SERVICES: Final = {
    "AWS": (
        (rb"(?:AKIA|ASIA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}",),
        (
            b"akia",
            b"asia",
            b"aida",
            b"aroa",
            b"abia",
            b"acca",
        ),
    ),
    "Alibaba Cloud": ((rb"LTAI[A-Za-z0-9]{12,30}+",), (b"ltai",)),
    "Google": (
        (
            rb"AIza[\w-]{35}",
            rb"ya29\.[\w-]{20,}+",
            rb"GOCSPX-[\w-]{20,}+",
        ),
        (
            b"aiza",
            b"ya29.",
            b"gocspx-",
        ),
    ),
    "GitHub": (
        (
            rb"gh[pousr]_\w{20,}+",
            rb"github_pat_\w{20,}+",
        ),
        (
            b"ghp_",
            b"gho_",
            b"ghu_",
            b"ghs_",
            b"ghr_",
            b"github_pat_",
        ),
    ),
    "GitLab": (
        (rb"gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[\w-]{16,}+",),
        (
            b"glpat-",
            b"gloas-",
            b"gldt-",
            b"glrt-",
            b"glcbt-",
            b"glptt-",
            b"glft-",
            b"glimt-",
            b"glagent-",
            b"glsoat-",
            b"glffct-",
        ),
    ),
    "Slack": (
        (
            rb"xox[abceprs]-[\w-]{10,}+",
            rb"xapp-[\w-]{10,}+",
        ),
        (
            b"xox",
            b"xapp-",
        ),
    ),
    "Stripe": (
        (
            rb"[sr]k_(?:live|test)_\w{16,}+",
            rb"whsec_\w{16,}+",
        ),
        (
            b"_live_",
            b"_test_",
            b"whsec_",
        ),
    ),
    "npm": ((rb"npm_[A-Za-z0-9]{36}",), (b"npm_",)),
    "PyPI": ((rb"pypi-[\w-]{40,}+",), (b"pypi-",)),
    "RubyGems": ((rb"rubygems_[a-f0-9]{40,}+",), (b"rubygems_",)),
    "Hugging Face": ((rb"hf_[A-Za-z0-9]{30,}+",), (b"hf_",)),
    "Docker": ((rb"dckr_[po]at_[\w-]{16,}+",), (b"dckr_",)),
    "OpenAI, Anthropic": ((rb"sk-[\w-]{20,}+",), (b"sk-",)),
    "Vault": (
        (rb"hv[sbr]\.[\w-]{20,}+",),
        (
            b"hvs.",
            b"hvb.",
            b"hvr.",
        ),
    ),
    "Terraform": ((rb"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}+",), (b".atlasv1.",)),
    "Grafana": (
        (rb"gl(?:sa|c)_[\w+/=-]{20,}+",),
        (
            b"glsa_",
            b"glc_",
        ),
    ),
    "Shopify": (
        (rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",),
        (
            b"shpat_",
            b"shpca_",
            b"shppa_",
            b"shpss_",
        ),
    ),
    "Twilio": (
        (rb"SK[0-9a-f]{32}",),
        (
            b"sk0",
            b"sk1",
            b"sk2",
            b"sk3",
            b"sk4",
            b"sk5",
            b"sk6",
            b"sk7",
            b"sk8",
            b"sk9",
            b"ska",
            b"skb",
            b"skc",
            b"skd",
            b"ske",
            b"skf",
        ),
    ),
    "SendGrid": ((rb"SG\.[\w-]{16,32}\.[\w-]{16,64}",), (b"sg.",)),
    "DigitalOcean": (
        (rb"do[opr]_v1_[a-f0-9]{40,}+",),
        (
            b"dop_v1_",
            b"doo_v1_",
            b"dor_v1_",
        ),
    ),
    "Databricks": ((rb"dapi[a-f0-9]{32}(?:-\d)?",), (b"dapi",)),
    "Sentry": (
        (rb"sntry[su]_[\w+/=-]{20,}+",),
        (
            b"sntrys_",
            b"sntryu_",
        ),
    ),
    "Tailscale": ((rb"tskey-[\w-]{16,}+",), (b"tskey-",)),
    "New Relic": (
        (
            rb"NRAK-[A-Z0-9]{20,}+",
            rb"NRJS-[a-f0-9]{16,}+",
        ),
        (
            b"nrak-",
            b"nrjs-",
        ),
    ),
    "Atlassian": (
        (rb"AT(?:ATT|CTT|BB)[A-Za-z0-9][\w=-]{20,}+",),
        (
            b"atatt",
            b"atctt",
            b"atbb",
        ),
    ),
    "Azure": ((rb"[\w~.-]{3}\dQ~[\w~.-]{31,34}",), (b"q~",)),
    "Telegram": ((rb"\d{8,10}:AA[\w-]{33}",), (b":aa",)),
    "Postman": ((rb"PMAK-[\w-]{20,}+",), (b"pmak-",)),
    "Linear": ((rb"lin_api_\w{20,}+",), (b"lin_api_",)),
    "Pulumi": ((rb"pul-[a-f0-9]{40}",), (b"pul-",)),
    "PlanetScale": ((rb"pscale_(?:tkn|pw|oauth)_[\w-]{20,}+",), (b"pscale_",)),
    "Doppler": (
        (rb"dp\.(?:pt|st|ct|sa)\.[\w.]{20,}+",),
        (
            b"dp.pt.",
            b"dp.st.",
            b"dp.ct.",
            b"dp.sa.",
        ),
    ),
    "Supabase": (
        (rb"sb[ps]_[a-f0-9]{40}",),
        (
            b"sbp_",
            b"sbs_",
        ),
    ),
    "Mailgun": ((rb"key-[a-f0-9]{32}",), (b"key-",)),
    "Mailchimp": ((rb"[a-f0-9]{32}-us\d{1,2}",), (b"-us",)),
    "Cloudflare": ((rb"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}+",), (b"v1.0-",)),
    "age": ((rb"AGE-SECRET-KEY-[A-Z0-9-]{20,}+",), (b"age-secret-key-",)),
}


def _pattern(service: str, forms: tuple[bytes, ...], hints: tuple[bytes, ...]) -> Pattern:
    joined = rb"(?<![A-Za-z0-9])(?:" + rb"|".join(forms) + rb")(?![A-Za-z0-9])"
    return Pattern(f"token of {service}", re.compile(joined), hints)


TOKENS: Final = (
    *(_pattern(service, forms, hints) for service, (forms, hints) in _SERVICES.items()),
    # Whoever has the address may write to the channel.
    Pattern(
        "webhook",
        re.compile(
            rb"(?P<k>https?://(?:hooks\.slack\.com/(?:services|workflows)/"
            rb"|discord(?:app)?\.com/api/webhooks/|[\w.-]{1,64}\.webhook\.office\.com/))[^\s\"'<>]+"
        ),
        (b"hooks.slack", b"webhook"),
    ),
)
