from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="checkresult",
            name="code",
            field=models.CharField(blank=True, default="", max_length=30),
            preserve_default=False,
        ),
    ]
