"""What the REST API plugin declares of itself: its settings and the credentials that it can use."""

from __future__ import annotations

from integrations.connectors.base import Guarantee, PluginSpec, Setting, SettingKind
from integrations.connectors.rest_api.write_config import declared_guarantee

PAGING_STYLES = (
    ("none", "One page, no paging"),
    ("page", "Page number"),
    ("offset", "Offset"),
    ("cursor", "Cursor from the answer"),
    ("link", "Link header"),
    ("next_url", "Next address in the answer"),
)
WITH_SIZE = ("page", "offset", "cursor", "link", "next_url")
COUNTED = ("page", "offset")

SPEC = PluginSpec(
    key="rest_api",
    label="REST API",
    description="Reads lists of records from a JSON API over HTTP, page by page, and sends records to it.",
    icon="globe",
    credential_kinds=("bearer", "api_key", "basic"),
    reads=True,
    writes=True,
    # The least that any stream promises; each stream may declare more.
    guarantee=Guarantee.APPEND_ONLY,
    stream_guarantee=declared_guarantee,
    settings=(
        Setting(
            "base_url",
            "Base address",
            SettingKind.URL,
            required=True,
            help="Where the paths of the streams begin, for example https://api.example.com/v1",
        ),
        Setting(
            "streams",
            "Streams",
            SettingKind.JSON,
            required=True,
            help=(
                'A list such as [{"name": "orders", "path": "/orders", "record_path": "data", "primary_key": ["id"], '
                '"cursor_field": "updated_at", "cursor_param": "updated_since", "params": {"status": "open"}}]. '
                'Optional for each: "paging" (these paging settings, for this stream alone), "types" (column to text, '
                'integer, number, boolean, timestamp or date), "overlap_seconds" (how far an incremental read looks '
                'back) and "until_param" (the end of a range that is read again; "cursor_param" is its beginning). '
                'To send records, add "write": {"guarantee": "idempotency_key", "upsert_versioned" or "append_only", '
                '"method": "POST", PUT or PATCH, "path": "/orders/{id}" (otherwise that of the stream), '
                '"records_per_request": 100, "record_path": "items"}, and as the API wants them "key_header", '
                '"version_field" (a mapped field whose value only grows, or one that is added and counted) or '
                '"version_header", "results_path" with "result_status", "result_reason", "result_index" and '
                '"accepted" (words that mean taken), "accepted_path" (a count). "read": false where it is only written.'
            ),
            example=[{"name": "orders", "path": "/orders", "primary_key": ["id"]}],
        ),
        Setting("headers", "Extra headers", SettingKind.JSON, default={}, help="Sent with every request; no secrets."),
        Setting("paging", "Paging", SettingKind.CHOICE, default="none", choices=PAGING_STYLES),
        Setting(
            "size_param",
            "Page size parameter",
            default="",
            help="Leave empty where the API takes none.",
            shown_when=("paging", WITH_SIZE),
        ),
        Setting(
            "page_size",
            "Records a page",
            SettingKind.INTEGER,
            default=100,
            minimum=1,
            maximum=100_000,
            shown_when=("paging", WITH_SIZE),
        ),
        Setting("page_param", "Page parameter", default="page", shown_when=("paging", ("page",))),
        Setting(
            "page_start",
            "First page",
            SettingKind.INTEGER,
            default=1,
            minimum=0,
            maximum=1,
            shown_when=("paging", ("page",)),
        ),
        Setting("offset_param", "Offset parameter", default="offset", shown_when=("paging", ("offset",))),
        Setting(
            "last_page",
            "The last page is",
            SettingKind.CHOICE,
            default="empty",
            choices=(("empty", "followed by an empty page"), ("short", "one with fewer records than asked for")),
            help="“Fewer records” saves a request, and loses records where the API gives less than asked for.",
            shown_when=("paging", COUNTED),
        ),
        Setting("cursor_param", "Cursor parameter", default="cursor", shown_when=("paging", ("cursor",))),
        Setting(
            "next_path",
            "Path of the next cursor or address",
            default="next",
            help="Dots lead into objects: meta.next",
            shown_when=("paging", ("cursor", "next_url")),
        ),
        Setting(
            "total_path",
            "Path of the total count",
            default="",
            help="Where the answer says how many records there are; gives a progress bar.",
            shown_when=("paging", WITH_SIZE),
        ),
    ),
)
