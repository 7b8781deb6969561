"""A copy names its stack itself: lists of copies are read by it, and a join has no order."""

import django.db.models.deletion
from django.db import migrations, models


def name_stacks(apps, _schema_editor):
    copies = apps.get_model("deployments", "StateCopy").objects
    runs = apps.get_model("deployments", "Run").objects
    own = runs.filter(pk=models.OuterRef("run_id")).values("stack_id")[:1]
    copies.update(stack_id=models.Subquery(own))


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0014_evidence_seconds"),
        ("environments", "0008_program_sources"),
    ]

    operations = [
        migrations.AddField(
            model_name="statecopy",
            name="stack",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="environments.stack",
            ),
        ),
        migrations.RunPython(name_stacks, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="statecopy",
            index=models.Index(fields=["stack", "-id"], name="state_copy_by_stack"),
        ),
    ]
