"""The rule once called `reviews` is the evidence `code_review`."""

from django.db import migrations

OLD, NEW = "reviews", "code_review"


def rename(apps, old, new):
    for row in apps.get_model("environments", "Protection").objects.all():
        if old in row.required_evidence:
            row.required_evidence = [new if name == old else name for name in row.required_evidence]
            row.save(update_fields=["required_evidence"])


class Migration(migrations.Migration):
    dependencies = [("environments", "0002_validations")]

    operations = [
        migrations.RunPython(
            lambda apps, _: rename(apps, OLD, NEW), lambda apps, _: rename(apps, NEW, OLD)
        )
    ]
