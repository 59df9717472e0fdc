"""A small CRM export of fictitious people and companies, in the form that the packaged mapping describes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FILES", "write_export"]

# Ten deals would say no more: one of each stage, one without an account, one closed before it was opened, one product
# by its other name. The newest record is of 2 May 2025.
FILES = {
    "accounts.csv": """\
account_id,account,sector,office_location
1,Acme Rockets,space,Iceland
2,Blue Harbour,,Norway
3,Quiet Mill,paper,
""",
    "sales_teams.csv": """\
sales_person_id,sales_agent,manager
10,Ada Example,Mona Sample
11,Bo Example,Mona Sample
""",
    "products.csv": """\
product_id,product,sales_price
1,GTX Pro,4821
2,Kite,"1,050.50"
""",
    "sales_pipeline.csv": """\
opportunity_id,account_id,sales_agent,product,deal_stage,engage_date,close_date,close_value
D1,1,Ada Example,GTXPro,Won,1/10/2025,5/2/2025,4000
D2,1,Bo Example,Kite,Engaging,3/1/2025,,
D3,2,Ada Example,Kite,Lost,3/2/2025,3/1/2025,0
D4,,Bo Example,GTX Pro,Prospecting,,,
""",
    "interactions.csv": """\
account_id,contact_name,activity_type,status,timestamp,comment
1,Cy Contact,Meeting,Completed,4/1/2025,"First line
second ""quoted"" line"
1,Di Contact,Email,Scheduled,4/20/2025,Send the offer
2,Ed Contact,Email,Completed,1/5/2025,
""",
}


def write_export(folder: Path, **changed: str | bytes | None) -> Path:
    """Write the export into a folder; a file named without `.csv` is replaced, or left away for None."""
    for name, text in FILES.items():
        content = changed.get(name.removesuffix(".csv"), text)
        if content is not None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
