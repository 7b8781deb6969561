from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_login_failures")]

    operations = [
        migrations.AddField(
            model_name="rolebinding",
            name="granted_by",
            field=models.CharField(blank=True, max_length=150),
        ),
    ]
