"""What was raised with product, sales or support, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _create("raised", sa.Column("raised_with", sa.String(length=16), nullable=False))
    _create(
        "closures",
        sa.Column("closed_at", sa.DateTime(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
    )


def _create(name: str, *own: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=320), nullable=False),
        *own,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=320), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("author", sa.String(length=320), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    for column in ("account_id", "created_at", "user_id"):
        op.create_index(f"ix_{name}_{column}", name, [column], unique=False)
