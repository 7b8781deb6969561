"""Of its own, for PostgreSQL alters no table whose rows the same transaction has filled."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0015_state_copy_stack")]

    operations = [
        migrations.AlterField(
            model_name="statecopy",
            name="stack",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="environments.stack",
            ),
        ),
    ]
