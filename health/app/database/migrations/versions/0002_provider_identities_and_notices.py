"""Identities of users at their OpenID Connect provider, and the notices that were sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("users", sa.Column("issuer", sa.String(length=320), nullable=True))
    op.add_column("users", sa.Column("subject", sa.String(length=320), nullable=True))
    op.create_index("ix_users_identity", "users", ["issuer", "subject"], unique=True)
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("csm", sa.String(length=320), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("as_of", "csm", "channel"),
    )
