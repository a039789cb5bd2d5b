"""Runs the migrations on the connection that `health.app.database.engine` opened."""

from alembic import context

from health.app.database.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
